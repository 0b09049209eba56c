"""One packet at every point that it passed, and a name for the packet in every frame."""
