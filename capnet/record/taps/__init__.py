"""Capture programs while they run. Internal."""
