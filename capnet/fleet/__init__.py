"""Analyzes thousands of captures, each of them once, into one folder: reports, a data set and a merged report."""
