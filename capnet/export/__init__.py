"""Writes tables into files that other programs read, and asks them in SQL. Needs nothing for CSV and JSON lines."""
