"""Facts of a report as tables of typed columns."""
