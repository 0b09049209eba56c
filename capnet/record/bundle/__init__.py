"""Bundles and annotated captures: how they are written. Internal."""
