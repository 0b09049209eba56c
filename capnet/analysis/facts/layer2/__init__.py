"""Who sits where on layer 2: broadcast domains, MACs, macvlan parents, shared MACs. Internal."""
