"""Docker hosts and shells here or elsewhere, by SSH too. Internal."""
