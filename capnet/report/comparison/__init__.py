"""Compares the reports of two captures: one in which all went well, and one in which it did not."""
