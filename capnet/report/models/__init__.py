"""Sentences of the summary about network models and their containers."""
