"""An inventory of running hosts as tables, answers and drawings."""
