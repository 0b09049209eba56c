"""What became of each flow: whether it was answered, refused or left without an answer."""
