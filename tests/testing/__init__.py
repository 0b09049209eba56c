"""Assertions on stored and live captures in the tests of others."""
