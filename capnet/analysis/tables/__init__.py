"""What an analysis found, as tables of typed columns: for files, for SQL and for data frames."""
