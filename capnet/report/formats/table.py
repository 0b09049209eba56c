"""The report as a person reads it in a terminal: sentences first, then a table per question, then what to try next.

It reads the same document as JSON does and prints nothing for what the document does not have.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

from capnet.report import summary, wireshark
from capnet.report.document import Document
from capnet.report.drawing import routes
from capnet.report.drawing.text_table import INDENT, grid
from capnet.report.escape import visible, visible_all
from capnet.report.grouping import same_flow, same_tunnel, same_verdict
from capnet.report.text import columns, count, duration, fill, fit, listing, number, percent, size
from capnet.report.words import Words

WIDTH = 100
_MOST = {"nat": 16, "proxies": 8, "tunnels": 12, "macs": 12, "stations": 16, "paths": 6, "flows": 10, "findings": 20}
_MOST_POINTS = 16

Section = tuple[str, list[str]]
Row = TypeVar("Row")


def render(document: Document, width: int = WIDTH, where: Mapping[str, str] | None = None) -> str:
    """The whole text, no line wider than `width` terminal columns; below 100, wide tables are cut.

    `where` says how to open an input from here, when that is not the name the report has for it.
    """
    safe = visible_all(document)
    words = Words.of(safe)
    lines = fill(summary.title(safe), width)
    says = summary.sentences(safe, words)
    if says:
        lines += ["", *fill(" ".join(says), width)]
    legend = words.legend(each for each in _addresses(safe) if not each.startswith("fe80:"))
    if legend:
        most = 12
        shown = legend[:most] + ([f"… and {number(len(legend) - most)} more"] if len(legend) > most else [])
        lines += ["", *fill("Names  " + " · ".join(shown), width, hanging=" " * 7)]
    sections: Sequence[Callable[[Document, Words, int], Section]] = (
        _models, _nat, _proxies, _tunnels, _macs, _stations, _paths, _flows, _findings, _points, _inputs, _coverage,
    )  # fmt: skip
    for section in sections:
        heading, body = section(safe, words, width)
        if body:
            lines += ["", fit(heading, width), *body]
    lines += ["", *_next(document, where or {}, width)]
    return "\n".join(lines) + "\n"


# -- one function per table -----------------------------------------------------------------------
def _models(document: Document, words: Words, width: int) -> Section:
    rows = [
        [
            each["model"],
            percent(100 * each["confidence"]),
            "\n".join(each["because"]),
            "\n".join(words.frames(each["evidence"], 3)),
        ]
        for each in document.get("models", [])
    ]
    return "Network model", grid(["model", "sure", "because", "seen at"], rows, width, "lrll", "  ww")


def _nat(document: Document, words: Words, width: int) -> Section:
    rows, more = _cut(document.get("nat", []), "nat")
    silent = any(not row["reply_seen"] for row in rows)
    other = any(row["method"] != "same-packet" for row in rows)
    cells = [
        [
            row["kind"],
            row["proto"],
            f"{words.flow(row['before'])}\n{words.flow(row['after'])}",
            number(row["packets"]),
            f"{row['ttl_delta']:+d}".replace("-", "−") if row["ttl_delta"] else "0",
            duration(row["latency_us"]["median"]) if row["latency_us"] else "",
            ("yes" if row["reply_seen"] else "no") if silent else "",
            row["method"] if other else "",
            "\n".join(words.seen_at(row["evidence"], [row["before"]["point"], row["after"]["point"]])),
        ]
        for row in rows
    ]
    headers = ["kind", "proto", "before, below it after", "packets", "TTL", "delay", "reply", "known by", "seen at"]
    return "NAT", grid(headers, cells, width, "lllrrrlll", "  w     w") + more


def _proxies(document: Document, words: Words, width: int) -> Section:
    rows, more = _cut(document.get("proxies", []), "proxies")
    cells = [
        [
            row["proto"],
            f"{words.flow(row['client_side'])}\n{words.flow(row['server_side'])}",
            row["because"],
            "\n".join(words.frames(row["evidence"], 2)),
        ]
        for row in rows
    ]
    headers = ["proto", "client's connection, below it the server's", "because", "seen at"]
    return "Proxied: two connections, not a rewrite", grid(headers, cells, width, "", " www") + more


def _tunnels(document: Document, words: Words, width: int) -> Section:
    shown, more = _cut(same_tunnel(document), "tunnels")
    cells = [
        [
            first["kind"],
            "" if first["vni"] is None else str(first["vni"]),
            first["network"] or "",
            " ↔ ".join(map(words.address, first["vteps"])),
            "" if first["port"] is None else str(first["port"]),
            "\n".join(number(row["frames"]) for row in rows),
            "\n".join(size(row["bytes"]) for row in rows),
            percent(first["overhead_percent"]) if first["inner_bytes"] else "",
            f"{number(first['largest_inner_ip'])} B" if first["largest_inner_ip"] else "",
            listing([words.address(each) for each in first["inner_ips"]], 6),
            "\n".join(["one way"] * first["one_way"] + ["encrypted"] * first["encrypted"]),
            "\n".join(text for row in rows for text in words.seen_at(row["evidence"], [row["point"]])),
        ]
        for rows in shown
        for first in rows[:1]
    ]
    headers = [
        "kind", "VNI", "network", "between", "port", "frames", "bytes", "overhead", "largest", "inside", "note",
        "seen at",
    ]  # fmt: skip
    return "Tunnels", grid(headers, cells, width, "lrllrrrrrlll", "  ww     wxw") + more


def _macs(document: Document, words: Words, width: int) -> Section:
    shown, more = _cut(same_verdict(document), "macs")
    cells = [
        [
            first["verdict"],
            _stack(first["macs"]),
            _stack([words.address(each, first["point"]) for each in first["ips"]]),
            first["because"],
            _stack([words.seen_at(row["evidence"], [row["point"]])[0] for row in rows], 3),
        ]
        for rows in shown
        for first in rows[:1]
    ]
    return "MACs", grid(["verdict", "MAC", "speaks for", "because", "seen at"], cells, width, "", "  www") + more


def _stations(document: Document, words: Words, width: int) -> Section:
    known = [each for each in document.get("stations", []) if each["kind"] != "multicast"]
    rows, more = _cut(sorted(known, key=lambda each: -each["packets"]), "stations")
    cells = [
        [
            row["mac"],
            row["kind"] if row["kind"] != "unknown" else "",
            listing(row["names"], 3),
            _stack(row["ips"], 3),
            number(row["packets"]),
            words.places(row["points"]),
        ]
        for row in rows
    ]
    headers = ["MAC", "kind", "name", "addresses", "packets", "seen at"]
    return "Stations", grid(headers, cells, width, "llllr", "  ww w") + more


def _paths(document: Document, words: Words, width: int) -> Section:
    groups = routes.same_route([each for each in document.get("paths", []) if len(each["hops"]) > 1])
    shown, more = _cut(groups, "paths")
    body: list[str] = []
    for group in shown:
        body += [*([""] if body else []), *routes.lines(group, words, width)]
    return f"Paths · {routes.compared(document)}", body + more


def _flows(document: Document, words: Words, width: int) -> Section:
    shown, more = _cut(same_flow(document, words), "flows")
    cells = [
        [
            first["proto"],
            words.flow(first),
            "" if first["vni"] is None else f"VNI {first['vni']}",
            number(max(row["packets"] for row in rows)),
            size(max(row["bytes"] for row in rows)),
            duration(first["rtt_us"]) if first["rtt_us"] is not None else "",
            number(first["retransmissions"]) if first["retransmissions"] else "",
            words.places([row["point"] for row in rows]),
        ]
        for rows in shown
        for first in rows[:1]
    ]
    headers = ["proto", "flow", "inside", "packets", "bytes", "RTT", "resent", "seen at"]
    return "Biggest flows", grid(headers, cells, width, "lllrrrrl", " w     w") + more


def _findings(document: Document, words: Words, width: int) -> Section:
    rows, more = _cut(document.get("findings", []), "findings")
    cells = [
        [
            row["level"],
            row["name"],
            "\n".join(
                text
                for text in (
                    row["says"],
                    f"Fix: {row['fix']}" if row["fix"] else "",
                    ", ".join(words.frames(row["evidence"], 4)),
                )
                if text
            ),
        ]
        for row in rows
    ]
    return "Findings", grid([""] * 3, cells, width, "", "  w") + more


def _points(document: Document, words: Words, width: int) -> Section:
    points = document["points"]
    several = len(document["inputs"]) > 1
    cells = [
        [
            row["name"],
            row["role"] if row["role"] != "unknown" else "",
            row["linktype"],
            number(row["packets"]),
            size(row["bytes"]),
            number(row["dropped"]) if row["dropped"] else "",
            row["file"] if several else "",
        ]
        for row in points[:_MOST_POINTS]
    ]
    headers = ["point", "role", "link type", "packets", "bytes", "missed", "file"]
    return "Points", grid(headers, cells, width, "lllrrrl", "w     w") + _more(len(points) - len(cells))


def _inputs(document: Document, words: Words, width: int) -> Section:
    problems = [(each["file"], problem) for each in document["inputs"] for problem in each["problems"]]
    cells = [
        [file, problem["name"], f"byte {number(problem['offset'])}", problem["says"]] for file, problem in problems[:12]
    ]
    return "Damaged input", grid([""] * 4, cells, width, "llrl", "w  w") + _more(len(problems) - len(cells))


def _coverage(document: Document, words: Words, width: int) -> Section:
    coverage = document["coverage"]
    reasons = sorted(coverage["undecoded"].items(), key=lambda each: (-each[1], each[0]))
    if not reasons:
        return "", []
    said = ", ".join(f"{reason} {number(frames)}" for reason, frames in reasons[:8])
    total = coverage["frames"] - coverage["decoded"]
    return "Not decoded further", fill(
        f"{number(total)} of {count(coverage['frames'], 'frame')}: {said}", width, INDENT
    )


def _next(document: Document, where: Mapping[str, str], width: int) -> list[str]:
    """What to try next; file names are quoted for a shell, then made visible."""
    lines = []
    best = wireshark.best(document)
    if best:
        lines += fill(f"Wireshark, {best[0]}:", width) + fill(best[1], width, INDENT)
    files = [shlex.quote(where.get(each["file"], each["file"])) for each in document["inputs"]]
    openable = [each["file"] for each in document["inputs"] if each["file"] != "-"]
    evidence = _first_evidence(document)
    if evidence and evidence["file"] in openable:
        file = shlex.quote(where.get(evidence["file"], evidence["file"]))
        command = visible(f"one frame   capnet packet {file} {evidence['frame']}")
        lines.append(command if columns(command) <= width else f"one frame   capnet packet FILE {evidence['frame']}")
    command = visible(f"as JSON     capnet analyze {' '.join(files)} --format json")
    usable = len(openable) == len(files) and columns(command) <= width
    return [*lines, command if usable else "as JSON     the same with --format json"]


# -- shared ---------------------------------------------------------------------------------------
def _stack(texts: Sequence[str], most: int = 4) -> str:
    shown = list(texts[:most])
    if len(texts) > most:
        shown = [*texts[: most - 1], f"… {number(len(texts) - most + 1)} more"]
    return "\n".join(shown)


def _cut(rows: Sequence[Row], section: str) -> tuple[Sequence[Row], list[str]]:
    most = _MOST[section]
    return rows[:most], _more(len(rows) - most)


def _more(left: int) -> list[str]:
    return [f"{INDENT}… and {number(left)} more (--format json has all)"] if left > 0 else []


def _first_evidence(document: Document) -> Document | None:
    for section in ("findings", "nat", "tunnels", "paths", "macs", "models", "proxies"):
        for row in document.get(section, []):
            if row["evidence"] and row.get("level") != "info":
                first: Document = row["evidence"][0]
                return first
    return None


def _addresses(document: Document) -> Iterable[str]:
    """Every address the tables show, so that the legend explains the names that are there and no others."""
    for row in document.get("nat", []):
        yield from (row["before"]["src"], row["before"]["dst"], row["after"]["src"], row["after"]["dst"])
    for row in document.get("proxies", []):
        yield from (row[side][end] for side in ("client_side", "server_side") for end in ("src", "dst"))
    for row in document.get("tunnels", []):
        yield from (*row["vteps"], *row["inner_ips"])
    for row in document.get("macs", []):
        yield from row["ips"]
    for row in document.get("paths", []):
        yield from (row["flow"]["src"], row["flow"]["dst"])
    for row in document.get("flows", {}).get("top", []):
        yield from (row["src"], row["dst"])
