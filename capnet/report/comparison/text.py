"""A comparison as a person reads it: first what broke, then what came, went and changed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from capnet import language
from capnet.analysis.core.contract.document import Document
from capnet.analysis.core.wording import Text
from capnet.report.text import count, duration, fill, padded

MAX_LINES = 8  # of each kind: then how many more there are
SAME_POINTS = "Same points by other names"
_ROUTE = " ─▶ "
MORE_LINES = Text(en="… and {lines} more (--format json has all)", zh="…… 另有 {lines}（--format json 给出全部）")
_TABLES = (
    ("translations", "Translations"),
    ("tunnels", "Tunnels"),
    ("models", "Network models"),
    ("icmp_errors", "ICMP errors"),
    ("rules", "Kernel"),
    ("points", "Capture points"),
)


def render(comparison: Document, width: int = 100) -> str:
    """The whole text; no line is wider than `width` terminal columns."""
    good, bad = (", ".join(comparison[side]) for side in ("good", "bad"))
    lines = [*fill(f"{good} → {bad}", width), "", *fill(first_sentence(comparison), width)]
    for heading, rows in sections(comparison):
        lines += [
            "",
            language.term(heading),
            *(line for row in rows[:MAX_LINES] for line in fill(row, width, "  ", "      ")),
        ]
        if len(rows) > MAX_LINES:
            lines.append("  " + MORE_LINES.fill(lines=count(len(rows) - MAX_LINES, "line")))
    same = same_point_lines(comparison)
    if same:
        lines += ["", language.term(SAME_POINTS), *(line for row in same for line in fill(row, width, "  ", "      "))]
    names = " · ".join(f"{name} {', '.join(addresses)}" for name, addresses in comparison["names"].items())
    if names:
        lines += ["", *fill(padded(language.term("Names"), 7) + names, width, hanging=" " * 7)]
    return "\n".join(lines) + "\n"


def first_sentence(comparison: Document) -> str:
    """What broke; or what else differs; or that nothing does, in what both captures show."""
    came, flows = comparison["findings"]["came"], comparison["flows"]
    if not comparison["packets"]["bad"]:
        return Text(
            en="The second capture has no packets: it cannot show what fails.",
            zh="第二份抓包中没有包，不能说明什么失败了。",
        ).fill()
    if not comparison["packets"]["good"]:
        return Text(
            en="The first capture has no packets: it cannot show what worked.",
            zh="第一份抓包中没有包，不能说明什么曾经正常。",
        ).fill()
    new = Text(en="New in the second capture: {says}", zh="第二份抓包中新出现：{says}")
    finding = [new.fill(says=language.sentence(row["says"])) for row in came[:1]]
    became = Text(en="{flow} was {good} in the first, now: {bad}.", zh="{flow} 原来{good}，现在：{bad}。")
    broke = [became.fill(flow=row["flow"], good=row["good"], bad=row["bad"]) for row in flows["broke"][:1]]
    if came and came[0]["level"] == "error":
        return language.joined([*finding, *broke])
    if broke or came:
        return language.joined([*broke, *finding])
    if flows["mended"]:
        row = flows["mended"][0]
        return Text(
            en="{flow} failed in the first ({good}), and is {bad} in the second.",
            zh="{flow} 在第一份中失败（{good}），在第二份中{bad}。",
        ).fill(flow=row["flow"], good=row["good"], bad=row["bad"])
    if any(rows for _, rows in sections(comparison)):
        return Text(
            en="Nothing fails in the second that did not in the first; what differs is below.",
            zh="第二份中没有新的失败；差别见下。",
        ).fill()
    return Text(en="No difference in what both captures show.", zh="两份抓包显示的内容没有差别。").fill()


def sections(comparison: Document) -> Iterator[tuple[str, Sequence[str]]]:
    """(heading, rows) of all that differs."""
    findings, flows = comparison["findings"], comparison["flows"]
    yield from _with_rows(
        "New findings", [_new_finding(row, not number) for number, row in enumerate(findings["came"])]
    )
    yield from _with_rows("Findings of the first only", [_finding(row) for row in findings["went"]])
    for key, heading in (("broke", "Flows that fail now"), ("mended", "Flows that do not fail any more")):
        yield from _with_rows(
            heading, [language.labelled(row["flow"], f"{row['good']} → {row['bad']}") for row in flows[key]]
        )
    routes = [
        Text(en="{flow}: {good}, now {bad}", zh="{flow}：{good}，现在 {bad}").fill(
            flow=row["flow"], good=_ROUTE.join(row["good"]), bad=_ROUTE.join(row["bad"])
        )
        for row in comparison["routes"]
    ]
    yield from _with_rows("Routes", routes)
    delays = [
        Text(en="{flow}, {start} to {end}: {good} → {bad}", zh="{flow}，{start} 到 {end}：{good} → {bad}").fill(
            flow=row["flow"],
            start=row["from"],
            end=row["to"],
            good=duration(row["good_us"]),
            bad=duration(row["bad_us"]),
        )
        for row in comparison["delays"]
    ]
    yield from _with_rows("Delays", delays)
    for key, heading in _TABLES:
        rows = comparison[key]
        yield from _with_rows(heading, [f"+ {row}" for row in rows["came"]] + [f"− {row}" for row in rows["went"]])
    only = [f"+ {flow}" for flow in flows["came"]] + [f"− {flow}" for flow in flows["went"]]
    yield from _with_rows("Flows of one capture only, which the other may not have had", only)


def same_point_lines(comparison: Document) -> list[str]:
    """Points that have another name in each capture, and by what they were recognised."""
    by = {
        "container": Text(en="its container", zh="同一容器"),
        "network": Text(en="its network", zh="同一网络"),
        "addresses": Text(en="addresses seen there", zh="那里出现的地址"),
        "role": Text(en="being the only one of its kind", zh="两份中各只有一个"),
    }
    line = Text(
        en="{name}: {good} in the first, {bad} in the second; by {evidence}",
        zh="{name}：第一份中是 {good}，第二份中是 {bad}；依据：{evidence}",
    )
    return [
        line.fill(name=row["name"], good=row["good"], bad=row["bad"], evidence=by[row["by"]].fill())
        for row in comparison["same_points"]
    ]


def _with_rows(heading: str, rows: Sequence[str]) -> Iterator[tuple[str, Sequence[str]]]:
    if rows:
        yield heading, rows


def _new_finding(row: Document, is_in_first_sentence: bool) -> str:
    """The finding, and what to do; what the first sentence says is not repeated."""
    name = f"{language.term(row['level'])} {row['name']}"
    says = name if is_in_first_sentence else _finding(row)
    fix = language.labelled("Fix", row["fix"]) if row["fix"] else ""
    return language.joined([language.sentence(says), language.sentence(fix)]) if fix else says


def _finding(row: Document) -> str:
    return language.labelled(f"{language.term(row['level'])} {row['name']}", row["says"])
