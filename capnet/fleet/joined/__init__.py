"""Connections that several captures of a fleet show."""
