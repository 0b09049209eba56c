"""Clues in how SYNs that nothing answers differ from those that the same server accepts."""
