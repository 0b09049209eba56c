"""The merged report of a fleet."""
