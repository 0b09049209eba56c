"""Paths and tables as text, paths as SVG. Internal."""
