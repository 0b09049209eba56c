"""Rows → tables, in one pass. Internal."""
