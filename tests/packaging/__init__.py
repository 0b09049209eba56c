"""What is installed: metadata, files of the wheel, and that it runs in an empty environment."""
