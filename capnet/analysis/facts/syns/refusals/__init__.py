"""Why a port refuses, and what was meant."""
