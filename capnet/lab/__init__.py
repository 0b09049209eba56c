"""Two Docker hosts on this one machine. Internal: `capnet lab` is the way in."""
