"""Who asks for whose MAC address by ARP or neighbor discovery, where, and what that shows."""
