"""What is seen of each network model: a module for each, whose functions yield signs."""
