"""Frames as a table of typed columns."""
