"""Why SYNs get no answer: what the server does answer, and the clues to what drops them."""
