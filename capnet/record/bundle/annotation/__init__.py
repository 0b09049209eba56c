"""Writes a capture again with packet ids and comments for Wireshark. Internal."""
