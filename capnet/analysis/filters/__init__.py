"""Flow expressions: words → which flows. Internal."""
