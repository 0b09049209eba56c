"""Facts about volume: conversations with their applications, the share of each protocol, how fast flows are now."""
