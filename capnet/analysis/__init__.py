"""Rows → facts and findings. Internal: `capnet.analyze` is the way in, and a report what comes out."""
