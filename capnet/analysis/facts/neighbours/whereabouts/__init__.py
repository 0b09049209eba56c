"""Where an address is that gets questions for its MAC and does not answer them."""
