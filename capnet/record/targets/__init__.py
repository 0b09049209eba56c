"""What is to be captured: the words of a command, the containers they mean, the points that these pass. Internal."""
