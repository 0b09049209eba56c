"""Facts about volume: conversations with their applications, and the share of each protocol."""
