"""Capture files: readers, walkers of records, writers. Internal."""
