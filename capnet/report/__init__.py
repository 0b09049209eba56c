"""Facts → text, JSON, HTML and other formats. Internal: `capnet.render` is the way in."""
