"""Encrypted overlay networks: what stays sealed, and what crosses in clear."""
