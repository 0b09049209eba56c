"""The order in which points saw a packet, where time stamps do not tell it."""
