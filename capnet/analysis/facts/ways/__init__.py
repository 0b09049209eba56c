"""The ways by which hosts reach others. Internal."""
