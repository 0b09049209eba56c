"""Tables of typed columns, and how other programs read them: Arrow's C interface, CSV, JSON lines. Knows no packets."""
