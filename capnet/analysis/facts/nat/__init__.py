"""Translations: which connections had their addresses rewritten, from what to what. Internal."""
