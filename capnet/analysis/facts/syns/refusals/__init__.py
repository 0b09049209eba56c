"""Why a port refuses, and what was meant: the clues to it."""
