"""What became of each flow: delivered, stopped between two points, or not to be known. Internal."""
