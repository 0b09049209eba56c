"""What Wireshark reads of capnet: a profile, a Lua plugin, an extcap program; and how they are installed."""
