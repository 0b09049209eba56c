"""Capture points, what Docker and `ip` say of a host, kernel features. Internal."""
