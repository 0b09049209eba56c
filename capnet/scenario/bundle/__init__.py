"""How what a run captured becomes its bundle, however the run ends. Internal."""
