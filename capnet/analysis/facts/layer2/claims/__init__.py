"""Whose a claim of an address is, where several MACs claim one by ARP."""
