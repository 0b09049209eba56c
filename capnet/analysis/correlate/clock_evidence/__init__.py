"""What tells how far apart the clocks of a capture are: packets seen under two of them, and measurements."""
