"""What network namespaces have each for themselves."""
