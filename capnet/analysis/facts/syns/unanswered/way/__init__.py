"""Clues in where SYNs that nothing answers were last seen, and where they should have come by."""
