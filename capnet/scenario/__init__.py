"""Plays scenarios on Docker hosts. Internal: `capnet scenario` and the files in scenarios/ use it."""
