"""The first sentences of a report: the worst cause, or what may be said where nothing fails; and what is not known.

Input: a document. Output: sentences. A sentence claims no more than the capture shows: that nothing was lost only where
every flow is complete between several points, and nothing at all about what one point cannot see.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address

from capnet import language
from capnet.analysis.core.contract.document import Document, row_values
from capnet.analysis.core.contract.finding_list import findings_in
from capnet.analysis.core.contract.keys import FILES_BESIDE, LEVELS
from capnet.analysis.core.wording import Text
from capnet.report.fate_words import FAILED, fate, flows_of, together
from capnet.report.grouping import harmful_fates, harmless_refusals, same_fate
from capnet.report.text import count, listing, number
from capnet.report.words import Words
from capnet.topology.user_mode import PROCESSES

NO_FRAMES = Text(en="The capture has no frames.", zh="没有抓到任何帧。")
_WHY_NO_FRAMES = Text(
    en="Check the interface and the filter of the capture program, and end it by Ctrl-C or SIGTERM. What a host sends "
    "to itself passes its loopback (lo) only, and what it has no route for is not sent.",
    zh="请检查抓包程序的接口和过滤器，并用 Ctrl-C 或 SIGTERM 结束它。主机发给自己的包只经过它的 loopback（lo），没有路"
    "由的包不会发出。",
)

# Warnings that often are symptoms: any other warning says more.
VAGUE = ("retransmissions", "sequence-gap", "packet-loss")
# Findings about the capture itself, not about the network.
NOTES = (
    "capture-damaged", "capture-dropped-packets", "checksum-offload", "clock-skew", "duplicate-observation",
    "not-all-looked-at", "offload-oversize-frames",
)  # fmt: skip
GROUP_FINDING = "multicast-not-carried"  # an info about packets that are missing
BY_DESIGN = ("by design; ", "设计如此；")
MAX_NAMED = 4  # points, and names of findings, in one sentence


def by_cause(row: Document) -> tuple[int, bool]:
    """The order of findings for a reader: the worst first, and of one level those that name a cause."""
    return LEVELS.index(row["level"]), row["name"] in VAGUE


def problems(document: Document) -> list[Document]:
    """The findings that need action and that no other one explains, by `by_cause`."""
    rows = [row for row in document.get("findings", []) if row["level"] != "info" and not row["explained_by"]]
    return sorted(rows, key=by_cause)


def headline(document: Document, words: Words) -> list[str]:
    """The worst cause and the next step, or what the state of all flows allows to say."""
    if "findings" not in document:
        return []
    causes = [finding for finding in problems(document) if finding["name"] not in NOTES]
    has_fates = "fates" in document and "paths" in document
    sentences = list(_causes(causes))
    if has_fates and all(finding["name"] in VAGUE for finding in causes):
        sentences = [*_failed(document, words), *sentences]
    if not sentences and "flows" in document and not document["flows"]["count"]:
        return [_without_flows(document, words)]
    return sentences or (list(_state(document, words)) if has_fates else [])


def limits(document: Document) -> Iterator[str]:
    """What the capture cannot tell: packets that it dropped, files that are damaged."""
    dropped = {point["name"]: point["dropped"] for point in document["points"] if point["dropped"]}
    if dropped:
        points = listing(list(dropped), MAX_NAMED)
        yield Text(
            en="The capture dropped {packets} at {points}: loss cannot be told there.",
            zh="抓包在 {points} 丢了 {packets}：那里是否丢包无法判断。",
        ).fill(packets=count(sum(dropped.values()), "packet"), points=points)
    unrecorded = _unrecorded(document)
    if unrecorded:
        points, packets = listing(list(unrecorded), MAX_NAMED), count(sum(unrecorded.values()), "packet")
        yield Text(
            en="At least {packets} passed {points} unrecorded: loss cannot be told there.",
            zh="至少有 {packets}经过 {points} 而没有被记录：那里是否丢包无法判断。",
        ).fill(packets=packets, points=points)
    damage = [problem for file in document["inputs"] for problem in file["problems"]]
    if damaged := sum(problem["name"] not in FILES_BESIDE for problem in damage):
        yield Text(
            en="The input is damaged in {places}; what could be read is reported.",
            zh="输入有 {places}损坏；本报告根据能读出的部分。",
        ).fill(places=count(damaged, "place"))
    for problem in damage:
        if problem["name"] in FILES_BESIDE:
            yield Text(en="{file}: {problem}.", zh="{file}：{problem}。").fill(
                file=language.term(FILES_BESIDE[problem["name"]]), problem=language.message(problem["says"])
            )


def user_mode_sentences(document: Document) -> Iterator[str]:
    """That packets of the containers end in a process; nothing if a container is elsewhere too."""
    rows = list(row_values(document.get("stations", []), "kind", "ips", "names", "points"))
    process_at = {point: names[0] for kind, _, names, points in rows if _is_process(kind, names) for point in points}
    containers = [(ips, names, points) for kind, ips, names, points in rows if kind == "container"]
    if not containers or any(set(points) - process_at.keys() for _, _, points in containers):
        return
    owners = [names[0] if names else ips[0] for ips, names, _ in containers if names or ips]
    processes = sorted({process_at[point] for _, _, points in containers for point in points})
    yield Text(
        en="{containers} {verb} behind {processes}, {apiece}: on the wire these have the host's address, and no packet "
        "of them is one of the container's.",
        zh="{containers} 在进程 {processes} 后面，进程在主机上打开自己的连接：这些连接在链路上使用主机的地址，"
        "其中没有容器的包。",
    ).fill(
        containers=listing(owners, MAX_NAMED),
        verb="is" if len(owners) == 1 else "are",
        processes=listing(processes),
        apiece="a process that opens connections of its own on the host"
        if len(processes) == 1
        else "processes that open connections of their own on the host",
    )


def _is_process(kind: str, names: list[str]) -> bool:
    return kind == "router" and len(names) == 1 and names[0] in PROCESSES


def _causes(causes: list[Document]) -> Iterator[str]:
    if not causes:
        return
    worst, *others = causes
    yield language.sentence(worst["says"])
    if worst["fix"]:
        yield next_sentence(worst)
    counted = [
        count(len(of_level), f"more {level}")
        for level in ("error", "warning")
        if (of_level := [finding for finding in others if finding["level"] == level])
    ]
    if counted:
        names = listing(list(dict.fromkeys(finding["name"] for finding in others)), MAX_NAMED)
        yield Text(en="{counted}: {names}.", zh="{counted}：{names}。").fill(counted=listing(counted), names=names)


def next_sentence(row: Document) -> str:
    """What to do about a finding that has a fix, as a sentence."""
    return Text(en="Next: {step}.", zh="下一步：{step}。").fill(step=first_step(row["fix"]))


def first_step(fix: str) -> str:
    """The first clause of a fix, up to a semicolon outside of `code` and brackets; that it is by design is no step."""
    start = next((len(words) for words in BY_DESIGN if fix.startswith(words)), 0)
    ends = (at for at in range(start, len(fix)) if fix[at] in ";；" and _is_outside(fix[:at]))
    end = next(ends, len(fix))
    return fix[start:end].rstrip(".。")


def _is_outside(before: str) -> bool:
    """Is what follows this text outside of `code` and of brackets?"""
    opened, closed = (sum(map(before.count, marks)) for marks in ("(（", ")）"))
    return before.count("`") % 2 == 0 and opened == closed


def _failed(document: Document, words: Words) -> Iterator[str]:
    """The worst of the flows that fail, and how many of all do; of refusals that need no action, the findings."""
    groups, others = same_fate(document), harmful_fates(document)
    if not others:
        yield from (language.sentence(row["says"]) for row in harmless_refusals(document)[: len(groups)])
        return
    fates = document["correlation"].get("fates", {})
    failed, total = sum(fates.get(name, 0) for name in FAILED), sum(fates.values())
    failed -= sum(map(len, groups)) - sum(map(len, others))
    groups = others
    yield Text(en="{flows}: {fate}.", zh="{flows}：{fate}。").fill(
        flows=flows_of(groups[0], words), fate=fate(together(groups[0]), words)
    )
    if len(groups) > 1:
        yield Text(
            en="{failed} of {flows} fail: see Flows that fail.", zh="{flows}中有 {failed} 条失败：见“失败的流”。"
        ).fill(failed=number(failed), flows=count(total, "flow"))


def _without_flows(document: Document, words: Words) -> str:
    """What there is instead of IP: nothing, ARP, or what is not decoded."""
    coverage = document["coverage"]
    if not coverage["frames"]:
        return language.joined([NO_FRAMES.fill(), _WHY_NO_FRAMES.fill()])
    questions = [row for row in document.get("neighbours", []) if row["kind"] == "arp"]
    if questions:
        first = questions[0]
        targets = dict.fromkeys(row["target"] for row in questions if row["asker"] == first["asker"])
        return Text(
            en="No IP packet was captured; of ARP, {asker} asks for {targets}.",
            zh="没有抓到 IP 包；ARP 中，{asker} 在询问 {targets}。",
        ).fill(
            asker=words.address(first["asker"], first["point"]),
            targets=listing([words.address(target, first["point"]) for target in targets], MAX_NAMED),
        )
    if coverage["undecoded"]:
        return Text(
            en="No IP packet was found; not decoded: {reasons}.", zh="没有找到 IP 包；未解码：{reasons}。"
        ).fill(reasons=listing(sorted(coverage["undecoded"]), MAX_NAMED))
    return Text(en="No IP packet was captured.", zh="没有抓到 IP 包。").fill()


def _without_questions(document: Document, words: Words) -> str:
    """What there is where no flow has a fate: ICMP errors, or packets that show none."""
    for error in document.get("icmp_errors", []):
        sender, receiver = (words.address(error[end], error["point"]) for end in ("from", "to"))
        return Text(
            en="{sender} sends '{error}' (ICMP) to {receiver}, {count:time}.",
            zh="{sender} 向 {receiver} 发送了 {count} 次“{error}”（ICMP）。",
        ).fill(sender=sender, error=error["name"], receiver=receiver, count=error["count"])
    return Text(
        en="No problem found, but only broadcasts, multicasts, fragments or answers were captured: they do not show "
        "what arrives.",
        zh="没有发现问题；但只抓到广播、组播、分片或应答，看不出包是否到达。",
    ).fill()


def _state(document: Document, words: Words) -> Iterator[str]:
    fates = document["correlation"].get("fates", {})
    total = sum(fates.values())
    if not total:
        yield _without_questions(document, words)
        return
    unknown = fates.get("unknown", 0) + fates.get("copied", 0)
    answered = Text(en="{answered} of {flows} answered", zh="{flows}中有 {answered} 条得到应答").fill(
        answered=number(document["correlation"]["answered"]), flows=count(total, "flow")
    )
    if len(document["points"]) == 1:
        yield Text(
            en="No problem found ({answered}); one capture point cannot show what is lost elsewhere.",
            zh="没有发现问题（{answered}）；只有一个抓包点，看不到别处丢的包。",
        ).fill(answered=answered)
    elif unknown:
        yield Text(
            en="No problem found; {unknown} of {flows} cannot be followed{reason}.",
            zh="没有发现问题；{flows}中有 {unknown} 条无法跟踪{reason}。",
        ).fill(unknown=number(unknown), flows=count(total, "flow"), reason=_reason(document, unknown))
    elif _is_complete(document):
        yield Text(en="No packet lost between capture points{but}.", zh="抓包点之间没有丢包{but}。").fill(
            but=_lost_groups(document)
        )
    else:
        yield Text(en="No problem found ({answered}).", zh="没有发现问题（{answered}）。").fill(answered=answered)


_REASONS = {
    "next-unknown": Text(
        en="no capture point shows where {units:it goes|they go} next", zh="没有抓包点显示接下来去哪里"
    ),
    "one-packet": Text(en="{units:a single packet|single packets}", zh="只有单个包"),
    "not-listening": Text(en="the next point was not capturing {units:it|them}", zh="下一个抓包点当时没有在抓"),
    "seen-there": Text(en="similar packets pass the next point", zh="下一个抓包点有相似的包经过"),
    "too-many": Text(en="too many to look at", zh="数量太多，没有逐一检查"),
}


def _reason(document: Document, flows: int) -> str:
    """` (single packets)`: why `flows` cannot be followed, by the reason of most of those that are listed."""
    reasons = [row["unknown"] for row in document["fates"] if row["unknown"] in _REASONS]
    if not reasons:
        return ""
    reason = _REASONS[max(sorted(set(reasons)), key=reasons.count)].fill(units=flows)
    return Text(en=" ({reason})", zh="（{reason}）").fill(reason=reason)


def _is_complete(document: Document) -> bool:
    """Was every packet compared, and is none missing at any hop, at points that dropped none?"""
    is_sampled = document["correlation"].get("share", 1.0) < 1.0
    paths = [path for path in document["paths"] if len(path["hops"]) > 1 and not _is_to_group(path["flow"]["dst"])]
    is_lossless = all(hop["lost"] == 0 for path in paths for hop in path["hops"][1:])
    has_dropped = _unrecorded(document) or any(point["dropped"] for point in document["points"])
    return bool(paths) and is_lossless and not is_sampled and not has_dropped


def _lost_groups(document: Document) -> str:
    """`, but for multicast to 239.1.2.3`: groups whose packets do not reach a point that shows their sender."""
    facts = [row["facts"] for row in document["findings"] if row["name"] == GROUP_FINDING]
    if not facts:
        return ""
    groups = [of["group"] for of in facts if "group" in of]
    if len(groups) < len(facts):
        return Text(en=", but for multicast to {number:group}", zh="，但发往 {number} 个组的组播除外").fill(
            number=sum(map(findings_in, facts))
        )
    return Text(en=", but for multicast to {groups}", zh="，但发往 {groups} 的组播除外").fill(
        groups=listing(sorted(set(groups)), MAX_NAMED)
    )


def _is_to_group(address: str) -> bool:
    """Multicast and broadcast go where a receiver is: what is missing elsewhere is not lost."""
    return ip_address(address).is_multicast or address == "255.255.255.255"


def _unrecorded(document: Document) -> dict[str, int]:
    """Point → packets that passed it and that it does not show."""
    unrecorded: dict[str, int] = document["correlation"].get("unrecorded", {})
    return unrecorded
