"""Clues in what the server sends besides: whether it is up, and which ports it answers."""
