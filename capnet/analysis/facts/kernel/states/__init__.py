"""What a namespace is, beside its rules and counters: programs that listen, interfaces that are down. Internal."""
