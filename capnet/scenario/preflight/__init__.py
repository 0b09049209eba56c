"""What can stop a scenario, looked at before it builds anything."""
