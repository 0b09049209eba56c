"""The documentation: its site, its man pages, and what its pages quote."""
