"""The drawing of the network of a report, with a line that explains the signs which it uses."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from capnet.analysis.core.contract.document import Document
from capnet.analysis.core.wording import Text
from capnet.report.drawing.main_path import main_row
from capnet.report.network.bounds import bound
from capnet.report.network.capture_scene import capture_scene
from capnet.report.network.scene import DEAD, LIT, LOST, REWRITTEN, WRAPPED, Mark, Scene
from capnet.report.network.svg import draw, draw_narrow
from capnet.report.network.topology_scene import topology_scene
from capnet.report.network.traffic import add_traffic
from capnet.report.page.markup import escape
from capnet.report.text import listing
from capnet.report.words import Words
from capnet.topology import Topology

CAPTURED = Text(en="packets captured here", zh="在此抓到包")
CAPTURED_AND_UNSEEN = Text(en="packets captured here; dashed boxes: not captured", zh="在此抓到包；虚线框：未抓包")
DUE = Text(en="due there, not seen", zh="应到此处，未见到")
LOST_HERE = Text(en="lost, refused or not answered here", zh="在此丢失、被拒绝或无应答")
ADDRESSES_REWRITTEN = Text(en="addresses rewritten", zh="地址被改写")
IN_TUNNEL = Text(en="inside a tunnel", zh="在隧道内")
NOT_DRAWN = Text(en="Not drawn: {what}", zh="未画出：{what}")
_TABLES = {REWRITTEN: "nat", WRAPPED: "tunnels"}  # kinds of marks, and the sections whose rows they sum up
_UNCOUNTED = ("bus", "stack", "station", "more")  # kinds of vertices at which nothing is captured


def network_figure(
    document: Document,
    words: Words,
    topology: Topology | None,
    problems: Sequence[Document],
    anchor: Callable[[Document], str],
    main: Document | None = None,
    sections: Collection[str] = (),
) -> str:
    """The figure; empty where nothing can be drawn. `anchor`: the id of a problem; `main`: the path to show.

    `sections`: ids of the page's tables, to which what was rewritten and what tunnels carry are linked.
    """
    if not document["points"]:
        return ""
    used = {point["name"] for point in document["points"]}
    scene = topology_scene(topology, used) if topology and topology.hosts else capture_scene(document)
    main = main or main_row(document, problems)
    add_traffic(scene, document, main, problems, anchor)
    for marks in [*(edge.marks for edge in scene.edges), *(vertex.marks for vertex in scene.vertices())]:
        marks[:] = [_linked(mark, sections) for mark in marks]
    bound(scene)
    if not scene.boxes and not scene.buses:
        return ""
    return (
        '<figure id="network"><div class="wide">'
        + draw(scene)
        + draw_narrow(scene)
        + f"</div><figcaption>{_caption(scene, main, words)}</figcaption></figure>"
    )


def _linked(mark: Mark, sections: Collection[str]) -> Mark:
    """The mark; what a table of the page shows too, with a link to it."""
    section = _TABLES.get(mark.kind, "")
    return mark._replace(link=section) if section in sections and not mark.link else mark


def _caption(scene: Scene, main: Document | None, words: Words) -> str:
    """What the signs mean, those that are there; and what is left out."""
    routes = {edge.route for edge in scene.edges}
    marks = {mark.kind for edge in scene.edges for mark in edge.marks}
    marks |= {mark.kind for vertex in scene.vertices() for mark in vertex.marks}
    has_unseen = any(vertex.packets is None and vertex.kind not in _UNCOUNTED for vertex in scene.vertices())
    signs = [f"<b>●</b> {escape((CAPTURED_AND_UNSEEN if has_unseen else CAPTURED).fill())}"]
    if main and LIT in routes:
        point = main["hops"][0]["point"] if "hops" in main else main["point"]
        signs.append(f'<b class="routed">━▶</b> {escape(main["proto"])} {escape(words.flow(main["flow"], point))}')
    if DEAD in routes:
        signs.append('<b class="lost">╌▶</b> ' + escape(DUE.fill()))
    if LOST in marks:
        signs.append('<b class="lost">✗</b> ' + escape(LOST_HERE.fill()))
    if REWRITTEN in marks:
        signs.append('<b class="nat">■</b> ' + escape(ADDRESSES_REWRITTEN.fill()))
    if any(edge.has_tunnel for edge in scene.edges):
        signs.append('<b class="tunnel">■</b> ' + escape(IN_TUNNEL.fill()))
    if scene.left_out:
        signs.append(escape(NOT_DRAWN.fill(what=listing(scene.left_out, 4))))
    return "".join(f"<span>{sign}</span>" for sign in signs)
