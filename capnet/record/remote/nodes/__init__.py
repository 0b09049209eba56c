"""Machines whose containers are looked at: what all have in common, and those without Docker. Internal."""
