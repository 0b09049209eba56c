"""The card of one container: all that a report says of it, in one place."""
