"""Faults: small networks that work, the one line that breaks each, and the finding that must name it. Internal."""
