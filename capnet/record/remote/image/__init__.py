"""The image of the capture container: made of the programs that a machine has, kept by a daemon. Internal."""
