"""What kernels say of packets themselves: their rules, counters and settings, and traces of rules. Internal."""
