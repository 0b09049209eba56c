"""Several files that a capture program wrote one after the other, as one source."""
