"""A topology as one SVG: `network.topology_scene` drawn without traffic.

It has no script, loads nothing, and has its colours in a style sheet for light and dark screens.
"""

from __future__ import annotations

from capnet.report.network.svg import STYLE, draw
from capnet.report.network.topology_scene import topology_scene
from capnet.topology import Topology

_BACKGROUND = """svg.network { background: #fff; }
@media screen and (prefers-color-scheme: dark) { svg.network { background: #14181e; } }
"""


def svg_text(topology: Topology) -> str:
    """The drawing, as wide as its longest names need."""
    return draw(topology_scene(topology), STYLE.read_text(encoding="utf-8") + _BACKGROUND) + "\n"
