"""What the packets of a running capture are written to: a file, a ring of files, a stream. Internal."""
