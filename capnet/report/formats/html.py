"""The report as one page that needs nothing else: no script, no network, no font, no image.

It reads the same document as the tables do. Every string of the document passes `_text`, the one place that makes text
safe for HTML and SVG; the page forbids scripts and everything from outside by its own Content-Security-Policy, which
allows its one style sheet by hash. Light or dark as the reader's system is.
"""

from __future__ import annotations

import hashlib
import re
from base64 import b64encode
from collections.abc import Callable, Iterable, Sequence
from html import escape
from pathlib import Path

from capnet.report import summary, wireshark
from capnet.report.document import LEVELS, Document
from capnet.report.drawing import routes
from capnet.report.drawing.svg_path import draw
from capnet.report.escape import visible_all
from capnet.report.grouping import same_flow, same_verdict
from capnet.report.text import count, duration, listing, number, percent, size
from capnet.report.words import Words

_MOST = {"nat": 60, "proxies": 20, "tunnels": 40, "macs": 40, "stations": 60, "paths": 24, "flows": 40, "points": 60}

_STYLE = Path(__file__).with_name("page.css")

Section = tuple[str, str, str, str]  # anchor, heading, beside the heading, body


def render(document: Document) -> str:
    """The whole page. Deterministic: same document, same bytes."""
    safe = visible_all(document)
    words = Words.of(safe)
    style = _STYLE.read_text(encoding="utf-8")
    digest = b64encode(hashlib.sha256(style.encode()).digest()).decode()
    title = summary.title(safe)
    says = summary.sentences(safe, words)
    sections = [
        section
        for make in (_findings, _paths, _nat, _proxies, _tunnels, _macs, _stations, _models, _flows, _points, _inputs)
        if (section := make(safe, words))[3]
    ]
    head, _, rest = title.partition(" · ")
    legend = words.names
    names = "".join(
        f"<li><b>{_text(name)}</b>{_text(address)}</li>"
        for address, name in sorted(legend.items(), key=lambda each: (each[1], each[0]))[:24]
        if not address.startswith("fe80:") and len(address) != 17
    )
    body = [
        "<header>",
        f"<h1>{_text(head)}</h1>",
        f'<p class="meta">{_text(rest)}</p>',
        f'<p class="story">{_text(" ".join(says))}</p>' if says else "",
        f'<ul class="names">{names}</ul>' if names else "",
        "<nav>" + "".join(f'<a href="#{anchor}">{heading}</a>' for anchor, heading, _, _ in sections) + "</nav>",
        "</header>",
        *(
            f'<section id="{anchor}"><h2>{heading}<small>{_text(beside)}</small></h2>{inside}</section>'
            for anchor, heading, beside, inside in sections
        ),
        _next(safe),
    ]
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="referrer" content="no-referrer">\n'
        f"<title>{_text(head)} – capnet</title>\n<style>{style}</style>\n</head>\n<body>\n<main>\n"
        + "\n".join(each for each in body if each)
        + f"\n<footer>{_text(safe['made_by'])}</footer>\n</main>\n</body>\n</html>\n"
    )


# -- sections ---------------------------------------------------------------------------------------
def _findings(document: Document, words: Words) -> Section:
    rows = document.get("findings", [])
    body = "".join(
        f'<div class="finding"><span class="tag {_level(row["level"])}">{_text(row["level"])}</span>'
        f"<h3>{_text(row['name'])}</h3><p>{_text(row['says'])}</p>"
        + (f"<p><b>Fix:</b> {_prose(row['fix'])}</p>" if row["fix"] else "")
        + _evidence(row["evidence"], words)
        + "</div>"
        for row in rows
    )
    return "findings", "Findings", _tally(rows), body


def _tally(rows: Sequence[Document]) -> str:
    counted = [(sum(row["level"] == level for row in rows), level) for level in LEVELS]
    return ", ".join(count(n, level, level if level == "info" else None) for n, level in counted if n)


def _paths(document: Document, words: Words) -> Section:
    groups = routes.same_route([each for each in document.get("paths", []) if len(each["hops"]) > 1])
    shown = groups[: _MOST["paths"]]
    body = "".join(
        f'<details class="path"{" open" if place < 6 else ""}><summary>{_path_head(group, words)}</summary>'
        f'<div class="wide">{draw(group, words, _text)}</div>'
        f'<p class="small soft">Wireshark {_code(wireshark.flow(group[0]["proto"], group[0]["flow"]))}</p></details>'
        for place, group in enumerate(shown)
    )
    return "paths", "Paths", f"hop by hop, {routes.compared(document)}", body + _more(len(groups) - len(shown))


def _path_head(group: Sequence[Document], words: Words) -> str:
    flows = [f"{path['proto']} {words.flow(path['flow'], path['hops'][0]['point'])}" for path in group[:3]]
    if len(group) > len(flows):
        flows.append(f"{number(len(group) - len(flows))} more")
    total = count(sum(map(routes.packets, group)), "packet")
    ends = group[0]["ends"]
    lost = ' class="bad"' if ends.startswith("lost-after ") else ' class="soft"'
    return f"<b>{_text(' · '.join(flows))}</b> <span{lost}>{_text(f'{total}, {routes.ending(ends)}')}</span>"


def _nat(document: Document, words: Words) -> Section:
    rows = document.get("nat", [])
    cells = [
        [
            f'<span class="tag nat">{_text(row["kind"])}</span> {_text(row["proto"])}',
            f"{_flow(row['before'], words)}<br>{_flow(row['after'], words)}",
            number(row["packets"]),
            _text(f"{row['ttl_delta']:+d}".replace("-", "−") if row["ttl_delta"] else "0"),
            _text(duration(row["latency_us"]["median"]) if row["latency_us"] else ""),
            "<br>".join(map(_text, words.seen_at(row["evidence"], [row["before"]["point"], row["after"]["point"]]))),
            _text(percent(100 * row["confidence"]))
            + ("" if row["reply_seen"] else '<br><span class="bad">no reply</span>'),
        ]
        for row in rows[: _MOST["nat"]]
    ]
    table = _table(["", "before, below it after", "packets", "TTL", "delay", "seen at", "sure"], cells, "k nnn n")
    filters = "".join(f"<p>{_code(wireshark.nat(row))}</p>" for row in rows[:12])
    more = f"<details><summary>Wireshark filters</summary>{filters}</details>" if filters else ""
    return "nat", "NAT", count(len(rows), "translation"), table and table + _more(len(rows) - len(cells)) + more


def _proxies(document: Document, words: Words) -> Section:
    rows = document.get("proxies", [])
    cells = [
        [
            _text(row["proto"]),
            f"{_flow(row['client_side'], words)}<br>{_flow(row['server_side'], words)}",
            _text(row["because"]) + _evidence(row["evidence"], words),
        ]
        for row in rows[: _MOST["proxies"]]
    ]
    table = _table(["", "client's connection, below it the server's", "because"], cells, "k")
    return "proxies", "Proxied", "two connections, not a rewrite", table and table + _more(len(rows) - len(cells))


def _tunnels(document: Document, words: Words) -> Section:
    rows = document.get("tunnels", [])
    cells = []
    for row in rows[: _MOST["tunnels"]]:
        name = row["kind"] + ("" if row["vni"] is None else f" {row['vni']}")
        notes = ["one way"] * row["one_way"] + ["encrypted"] * row["encrypted"]
        cells.append(
            [
                f'<span class="tag tunnel">{_text(name)}</span>'
                + (f"<br>{_text(row['network'])}" if row["network"] else "")
                + "".join(f'<br><span class="bad small">{_text(note)}</span>' for note in notes),
                _text(" ↔ ".join(map(words.address, row["vteps"])))
                + ("" if row["port"] is None else f":{row['port']}"),
                number(row["frames"]),
                _text(size(row["bytes"])),
                _text(percent(row["overhead_percent"])),
                _text(listing([words.address(each) for each in row["inner_ips"]], 8)),
                "<br>".join(map(_text, words.seen_at(row["evidence"], [row["point"]]))),
                _code(wireshark.tunnel(row)),
            ]
        )
    heads = ["tunnel", "between", "frames", "bytes", "overhead", "inside", "seen at", "Wireshark"]
    table = _table(heads, cells, "k nnn")
    return "tunnels", "Tunnels", "", table and table + _more(len(rows) - len(cells))


def _macs(document: Document, words: Words) -> Section:
    groups = same_verdict(document)
    cells = [
        [
            _tag("error" if first["verdict"] == "duplicate-ip" else "info", first["verdict"]),
            "<br>".join(f'<span class="mono">{_text(each)}</span>' for each in first["macs"][:8]),
            _text(listing([words.address(each, first["point"]) for each in first["ips"]], 8)),
            _text(first["because"]),
            "<br>".join(_text(text) for row in rows[:8] for text in words.seen_at(row["evidence"], [row["point"]]))
            + (f"<br>{len(rows) - 8} more" if len(rows) > 8 else ""),
        ]
        for rows in groups[: _MOST["macs"]]
        for first in rows[:1]
    ]
    table = _table(["verdict", "MAC", "speaks for", "because", "seen at"], cells, "kk")
    return "macs", "MACs", "", table and table + _more(len(groups) - len(cells))


def _stations(document: Document, words: Words) -> Section:
    known = [each for each in document.get("stations", []) if each["kind"] != "multicast"]
    rows = sorted(known, key=lambda each: -each["packets"])
    cells = [
        [
            f'<span class="mono">{_text(row["mac"])}</span>',
            _text(row["kind"] if row["kind"] != "unknown" else ""),
            _text(listing(row["names"], 4)),
            "<br>".join(map(_text, row["ips"][:6]))
            + (f"<br>{len(row['ips']) - 6} more" if len(row["ips"]) > 6 else ""),
            number(row["packets"]),
            _text(words.places(row["points"])),
        ]
        for row in rows[: _MOST["stations"]]
    ]
    table = _table(["MAC", "kind", "name", "addresses", "packets", "seen at"], cells, "kk  n")
    return "stations", "Stations", "", table and table + _more(len(rows) - len(cells))


def _models(document: Document, words: Words) -> Section:
    cells = [
        [
            f"<b>{_text(row['model'])}</b>",
            _text(percent(100 * row["confidence"])),
            "<br>".join(map(_text, row["because"])) + _evidence(row["evidence"], words),
        ]
        for row in document.get("models", [])
    ]
    return "models", "Network models", "", _table(["model", "sure", "because"], cells, "kn")


def _flows(document: Document, words: Words) -> Section:
    cells = [
        [
            _text(first["proto"]),
            _flow(first, words) + ("" if first["vni"] is None else f' <span class="soft">VNI {first["vni"]}</span>'),
            number(max(row["packets"] for row in group)),
            _text(size(max(row["bytes"] for row in group))),
            _text(duration(first["rtt_us"]) if first["rtt_us"] is not None else ""),
            number(first["retransmissions"]) if first["retransmissions"] else "",
            _text(words.places([row["point"] for row in group])),
        ]
        for group in same_flow(document, words)[: _MOST["flows"]]
        for first in group[:1]
    ]
    heads = ["", "flow", "packets", "bytes", "RTT", "resent", "seen at"]
    total = document.get("flows", {}).get("count", 0)
    return "flows", "Biggest flows", f"of {number(total)}" if cells else "", _table(heads, cells, "k nnnn")


def _points(document: Document, words: Words) -> Section:
    points = document["points"]
    cells = [
        [
            f"<b>{_text(row['name'])}</b>",
            _text(row["role"] if row["role"] != "unknown" else ""),
            _text(row["linktype"]),
            number(row["packets"]),
            _text(size(row["bytes"])),
            f'<span class="bad">{number(row["dropped"])}</span>' if row["dropped"] else "",
            f'<span class="soft">{_text(row["file"])}</span>',
        ]
        for row in points[: _MOST["points"]]
    ]
    heads = ["point", "role", "link type", "packets", "bytes", "missed", "file"]
    return "points", "Points", "", _table(heads, cells, "w  nnn") + _more(len(points) - len(cells))


def _inputs(document: Document, words: Words) -> Section:
    cells = [
        [_text(each["file"]), _text(problem["name"]), number(problem["offset"]), _text(problem["says"])]
        for each in document["inputs"]
        for problem in each["problems"][:20]
    ]
    coverage = document["coverage"]
    reasons = sorted(coverage["undecoded"].items(), key=lambda each: (-each[1], each[0]))
    body = _table(["file", "damage", "at byte", ""], cells, "  n")
    if reasons:
        said = ", ".join(f"{reason} {number(frames)}" for reason, frames in reasons[:12])
        total = coverage["frames"] - coverage["decoded"]
        frames = count(coverage["frames"], "frame")
        body += f"<p>Not decoded further: {_text(f'{number(total)} of {frames}: {said}')}</p>"
    return "inputs", "What could not be read", "", body


def _next(document: Document) -> str:
    best = wireshark.best(document)
    return f'<p class="small soft">Wireshark, {_text(best[0])}: {_code(best[1])}</p>' if best else ""


# -- parts --------------------------------------------------------------------------------------------
def _text(value: object) -> str:
    """Any value as text of HTML, SVG or an attribute in double quotes."""
    return escape(str(value), quote=True)


def _code(value: str) -> str:
    return f"<code>{_text(value)}</code>"


def _prose(value: str) -> str:
    """Text in which `words between backticks` are code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", _text(value))


def _tag(kind: str, value: str) -> str:
    return f'<span class="tag {kind}">{_text(value)}</span>'


def _level(level: str) -> str:
    return level if level in LEVELS else "info"


def _flow(side: Document, words: Words) -> str:
    return f'<span class="mono">{_text(words.flow(side))}</span>'


def _evidence(evidence: Sequence[Document], words: Words) -> str:
    """Frames to look at, and the Wireshark filter that shows those of each file."""
    if not evidence:
        return ""
    files: dict[str, list[Document]] = {}
    for each in evidence:
        files.setdefault(each["file"], []).append(each)
    seen = ", ".join(words.frames(evidence, 10))
    filters = "".join(f"<br>{_text(file)} {_code(wireshark.frames(each))}" for file, each in files.items())
    return f'<details><summary>evidence</summary><p class="small">{_text(seen)}{filters}</p></details>'


def _more(left: int) -> str:
    return f'<p class="soft small">… and {number(left)} more (--format json has all)</p>' if left > 0 else ""


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]], classes: str) -> str:
    """Cells are HTML already. `classes`: a letter per column, n numbers, k never broken, w broken anywhere."""
    cells = list(rows)
    if not cells:
        return ""
    used = [i for i in range(len(heads)) if any(row[i] for row in cells)]
    kind: Callable[[int], str] = lambda i: f' class="{classes[i]}"' if i < len(classes) and classes[i] != " " else ""  # noqa: E731
    head = "".join(f"<th{kind(i)}>{_text(heads[i])}</th>" for i in used)
    body = "".join("<tr>" + "".join(f"<td{kind(i)}>{row[i]}</td>" for i in used) + "</tr>" for row in cells)
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
