"""`capnet fleet`: many captures, each analyzed once, and one report."""
