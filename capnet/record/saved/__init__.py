"""Saved outputs of Docker, iproute2 and netfilter, such as those of a support case, read as the facts of hosts."""
