"""Read what the ends of TCP connections say first."""
