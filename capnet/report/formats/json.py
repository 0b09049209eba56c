"""The document as JSON text: pure ASCII, so that no string in it can reach a terminal as anything but itself."""

from __future__ import annotations

from capnet.analysis.core.contract.json_text import json_text as render

__all__ = ["render"]
