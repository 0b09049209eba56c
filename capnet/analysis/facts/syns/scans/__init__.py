"""Scans: clients that try many ports or addresses, and what they try because they want it."""
