"""How right the rows of NAT are: connections made by the kernel, judged by its connection tracking."""
