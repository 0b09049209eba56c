"""What the ends of TCP connections say first."""
