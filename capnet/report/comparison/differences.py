"""What differs between two reports, in the words of `identity`.

Input: two documents of the JSON contract. Output: a document `capnet.comparison/1`. What only one of both shows is told
as that: a flow that is not in the second capture may not have been sent, and a point that is not in both is compared
nowhere. Delays differ by chance; told is what is MIN_SLOWDOWN times as long, and MIN_EXTRA_US longer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import pairwise

from capnet import __version__, language
from capnet.analysis.core.contract.document import Document
from capnet.analysis.core.wording import Text
from capnet.report.comparison.identity import FlowName, Identity, Topologies, identities, is_answer, is_to_one
from capnet.report.comparison.names import used_names, with_names
from capnet.report.escape import visible_all
from capnet.report.fate_words import FAILED, fate
from capnet.report.headline import by_cause
from capnet.report.text import listing
from capnet.report.words import translation

SCHEMA = "capnet.comparison/1"
MIN_CONFIDENCE = 0.5  # of a model that is told
MIN_SLOWDOWN = 5.0
MIN_EXTRA_US = 5_000.0  # a busy machine delays packets by a millisecond or two
LEVELS = ("error", "warning")  # of findings that are compared


def compare(good: Document, bad: Document, topologies: Topologies = (None, None)) -> Document:
    """The comparison of two documents of reports. `topologies` tell which points with drawn names are the same."""
    good, bad = visible_all(good), visible_all(bad)
    *own, pairs = identities(good, bad, topologies)
    sides = list(zip((good, bad), own, strict=True))

    def came_and_went(keys: Callable[[Document, Identity], Iterable[str]]) -> Document:
        before, after = (list(dict.fromkeys(keys(*side))) for side in sides)
        return {
            "came": [key for key in after if key not in before],
            "went": [key for key in before if key not in after],
        }

    comparison = {
        "schema": SCHEMA,
        "made_by": f"capnet {__version__}",
        **{
            side: [source["file"] for source in document["inputs"]]
            for side, (document, _) in zip(("good", "bad"), sides, strict=True)
        },
        "packets": {
            side: sum(point["packets"] for point in document["points"])
            for side, (document, _) in zip(("good", "bad"), sides, strict=True)
        },
        "findings": _findings(*sides),
        "flows": _flows(*sides),
        "routes": _routes(*sides),
        "delays": _delays(*sides),
        "translations": came_and_went(translation_lines),
        "tunnels": came_and_went(tunnel_lines),
        "models": came_and_went(lambda document, _: _models(document)),
        "icmp_errors": came_and_went(icmp_error_lines),
        "rules": came_and_went(lambda document, _: rule_lines(document)),
        "points": came_and_went(
            lambda document, identity: (identity.point(each["name"]) for each in document["points"])
        ),
        "same_points": [pair._asdict() for pair in pairs],
    }
    return comparison | {"names": used_names(comparison, (identity for _, identity in sides))}


def _findings(good: tuple[Document, Identity], bad: tuple[Document, Identity]) -> Document:
    """Findings that need action, by name: the rows that came, and those that went."""
    before: dict[str, Document] = {}
    after: dict[str, Document] = {}
    for (document, _), rows_of in ((good, before), (bad, after)):
        for row in document.get("findings", []):
            if row["level"] in LEVELS:
                rows_of.setdefault(row["name"], row)

    def rows(own: dict[str, Document], other: dict[str, Document], identity: Identity) -> list[Document]:
        only = [row for name, row in own.items() if name not in other]
        only.sort(key=by_cause)
        return [
            {**{key: row[key] for key in ("id", "name", "level")}, "says": with_names(row, identity), "fix": row["fix"]}
            for row in only
        ]

    return {"came": rows(after, before, bad[1]), "went": rows(before, after, good[1])}


def _flows(good: tuple[Document, Identity], bad: tuple[Document, Identity]) -> Document:
    """What becomes of flows: those that fail only in the second, only in the first, and that only one has."""
    before, after = _outcomes(*good), _outcomes(*bad)
    changes: dict[str, list[Document]] = {"broke": [], "mended": []}
    for name in before.keys() & after.keys():
        was, now = before[name], after[name]
        row = {"flow": str(name), "good": fate(was, good[1].words), "bad": fate(now, bad[1].words)}
        if was["fate"] == "delivered" and now["fate"] in FAILED:
            changes["broke"].append(row)
        elif was["fate"] in FAILED and now["fate"] == "delivered":
            changes["mended"].append(row)
    return {
        **{key: sorted(rows, key=lambda row: str(row["flow"])) for key, rows in changes.items()},
        "came": sorted(str(name) for name in after.keys() - before.keys()),
        "went": sorted(str(name) for name in before.keys() - after.keys()),
    }


def _outcomes(document: Document, identity: Identity) -> dict[FlowName, Document]:
    """The worst fate of each flow, by its name."""
    worst: dict[FlowName, Document] = {}
    for row in document.get("fates", []):
        if not is_to_one(row["flow"]):
            continue
        name = identity.flow(row["proto"], row["flow"], row["point"])
        if name not in worst or _severity(row) < _severity(worst[name]):
            worst[name] = row
    return worst


def _severity(row: Document) -> int:
    return FAILED.index(row["fate"]) if row["fate"] in FAILED else len(FAILED)


def _routes(good: tuple[Document, Identity], bad: tuple[Document, Identity]) -> list[Document]:
    """Flows that pass other points, or are changed otherwise, among the points that both captures have."""
    both = {good[1].point(each["name"]) for each in good[0]["points"]}
    both &= {bad[1].point(each["name"]) for each in bad[0]["points"]}
    before, after = (_route_of(*side, both) for side in (good, bad))
    return [
        {"flow": str(name), "good": before[name], "bad": after[name]}
        for name in sorted(before.keys() & after.keys())
        if before[name] != after[name]
    ]


def _route_of(document: Document, identity: Identity, points: set[str]) -> dict[FlowName, list[str]]:
    """Points of each flow, in order; of flows with one name those of the longest path."""
    routes: dict[FlowName, list[str]] = {}
    for path in _paths(document):
        if is_answer(path["flow"]):  # behind a translation, answers to several clients have one name
            continue
        name = identity.flow(path["proto"], path["flow"], path["hops"][0]["point"])
        route = [label for hop in path["hops"] if (label := identity.point(hop["point"])) in points]
        if len(route) > len(routes.get(name, [])):
            routes[name] = route
    return routes


def _delays(good: tuple[Document, Identity], bad: tuple[Document, Identity]) -> list[Document]:
    """Hops that take much longer: the median of a flow's packets, in microseconds."""
    before, after = (_delays_of(*side) for side in (good, bad))
    rows = []
    for key in sorted(before.keys() & after.keys()):
        was, now = before[key], after[key]
        if now >= MIN_SLOWDOWN * was and now - was >= MIN_EXTRA_US:
            rows.append({"flow": str(key[0]), "from": key[1], "to": key[2], "good_us": was, "bad_us": now})
    return rows


def _delays_of(document: Document, identity: Identity) -> dict[tuple[FlowName, str, str], float]:
    medians: dict[tuple[FlowName, str, str], float] = {}
    for path in _paths(document):
        name = identity.flow(path["proto"], path["flow"], path["hops"][0]["point"])
        for hop, after in pairwise(path["hops"]):
            if after["delta_us"]:
                key = name, identity.point(hop["point"]), identity.point(after["point"])
                medians[key] = max(after["delta_us"]["median"], medians.get(key, 0.0))
    return medians


def _paths(document: Document) -> Iterable[Document]:
    return (path for path in document.get("paths", []) if is_to_one(path["flow"]))


def translation_lines(document: Document, identity: Identity) -> Iterable[str]:
    """`SNAT tcp: bbox → B:7000 becomes A → B:7000`, a line for each row of `nat`."""
    for row in document.get("nat", []):
        before, after = row["before"], row["after"]
        forms = (identity.form(side, is_answer(before)) for side in (before, after))
        shown = language.pick(" becomes ", " 变为 ").join(forms)
        yield language.labelled(f"{translation(row['kind'])} {row['proto']}", shown)


def tunnel_lines(document: Document, identity: Identity) -> Iterable[str]:
    """`vxlan 4097 between A and B`, a line for each row of `tunnels`."""
    for row in document.get("tunnels", []):
        ends = listing(sorted(identity.words.address(address) for address in row["vteps"]))
        number = "" if row["encrypted"] or row["vni"] is None else f" {row['vni']}"
        yield Text(en="{tunnel} between {ends}", zh="{ends} 之间的 {tunnel}").fill(
            tunnel=row["kind"] + number, ends=ends
        )


def _models(document: Document) -> Iterable[str]:
    return (row["model"] for row in document.get("models", []) if row["confidence"] >= MIN_CONFIDENCE)


def icmp_error_lines(document: Document, identity: Identity) -> Iterable[str]:
    """`A answers B: port unreachable`, a line for each row of `icmp_errors`."""
    for row in document.get("icmp_errors", []):
        sender, receiver = (identity.words.address(row[end], row["point"]) for end in ("from", "to"))
        yield Text(en="{sender} answers {receiver}: {error}", zh="{sender} 应答 {receiver}：{error}").fill(
            sender=sender, receiver=receiver, error=row["name"]
        )


def rule_lines(document: Document) -> Iterable[str]:
    """Rules and counters of the kernel that account for packets, a line for each row of `kernel`."""
    return (
        f"{row['name']} {row['action']}" + (f": {row['text']}" if row["text"] else "")
        for row in document.get("kernel", [])
    )
