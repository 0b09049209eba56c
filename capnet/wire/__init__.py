"""Bytes → rows: file formats, protocols, the decoder. Internal: `capnet.open_capture` is the way in."""
