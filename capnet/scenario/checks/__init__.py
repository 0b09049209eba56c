"""What a scenario claims of its packets, and what was observed. Internal."""
