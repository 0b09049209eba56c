"""Makes the smallest capture that still has a finding, without addresses, names and payload: for a bug report.

`frames` reads captures and writes the small one, `anonymise` replaces what identifies, `search` leaves out what is not
needed, `oracle` asks whether the finding is still told, `reduction` puts these together.
"""
