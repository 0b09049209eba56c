"""The texts that tools answer with: lines, each a statement with the points and frames that show it."""
