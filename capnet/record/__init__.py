"""Where and how to capture, and what a capture leaves: bundles. Internal."""
