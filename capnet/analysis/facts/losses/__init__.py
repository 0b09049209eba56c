"""Where packets stop that other points should have shown. Internal."""
