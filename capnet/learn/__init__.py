"""Lessons on Docker's network models: questions about packets of stored captures, with the packets as the proof."""
