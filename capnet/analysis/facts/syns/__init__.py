"""SYNs that nothing answers: who sent them, what their host did with them, and what their timestamps say."""
