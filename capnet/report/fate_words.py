"""Fates of flows, ends of paths and answers, in the words of sentences, tables and drawings."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from capnet import language
from capnet.analysis.core.contract.document import Document
from capnet.analysis.core.wording import Text
from capnet.report.text import count, listing, number
from capnet.report.words import ARROW, Words

DELIVERED = Text(en="delivered", zh="已送达")
REST_DELIVERED = Text(en="the rest delivered", zh="其余已送达")
SOME_LOST = Text(en="{lost} lost, the rest delivered", zh="丢失 {lost} 个，其余已送达")
SESSION_RESET = Text(en="{sender} resets the session (RST)", zh="{sender} 重置会话（RST）")
FOREIGN_RESET = Text(
    en="the session is reset in the name of {sender} (RST with {ttl}, its packets have another)",
    zh="有人以 {sender} 的名义重置会话（RST 的 {ttl} 与它的包不同）",
)
NOT_SEEN = Text(en="end not seen", zh="没有看到终点")
FAILED = ("looped", "stops-at", "answer-stops-at", "answered-by", "loses", "repeated")  # fates to look into


def fate(row: Document, words: Words) -> str:
    """`stops at A/ens33, due at A/docker0`: what became of a flow, by its row of `fates`."""
    point, due = row["point"], row["next"]
    match row["fate"]:
        case "looped":
            return Text(en="goes in a circle at {point}", zh="在 {point} 循环转发").fill(point=point)
        case "stops-at":
            return Text(en="stops at {point}, due at {due}", zh="止于 {point}，下一处应是 {due}").fill(
                point=point, due=due
            )
        case "answer-stops-at":
            return Text(en="the answer stops at {point}, due at {due}", zh="应答止于 {point}，下一处应是 {due}").fill(
                point=point, due=due
            )
        case "answered-by":
            reached = Text(en="reaches {point}", zh="到达 {point}").fill(point=point)
            return language.clauses(answers(row["answers"], words)) or reached
        case "loses":
            between = Text(en="between {point} and {due}", zh="{point} 和 {due} 之间").fill(point=point, due=due)
            where = between if due != point else Text(en="at {point}", zh="{point}").fill(point=point)
            return Text(en="{missing} of {packets} lost {where}", zh="{packets}中有 {missing} 个丢失（{where}）").fill(
                missing=number(row["missing"]), packets=count(row["packets"], "packet"), where=where
            )
        case "repeated":
            return Text(
                en="no answer, sent again {times}; last seen at {point}", zh="无应答，重发了 {times}；最后见于 {point}"
            ).fill(times=count(row["repeats"], "time"), point=point)
        case "delivered":
            return DELIVERED.fill()
    return NOT_SEEN.fill()


def failing_fate(document: Document, path: Document) -> Document | None:
    """The fate of a path's flow if it fails: the one between its ends that shares a frame of evidence with it."""
    ends = {key: path["flow"][key] for key in ("src", "sport", "dst", "dport")}
    frames = {(frame["point"], frame["frame"]) for frame in path["evidence"]}
    return next(
        (
            row
            for row in document.get("fates", [])
            if row["fate"] in FAILED
            and row["proto"] == path["proto"]
            and row["flow"].items() >= ends.items()
            and any((frame["point"], frame["frame"]) in frames for frame in row["evidence"])
        ),
        None,
    )


def with_fates(document: Document, paths: Iterable[Document]) -> None:
    """Gives each path its flow's fate as `failing`, if that tells more than where the path ends."""
    for path in paths:
        row = failing_fate(document, path)
        is_told = is_lost(path["ends"]) or packets_lost(path) or (row and row["fate"] == "answered-by")
        path["failing"] = None if is_told else row


def fails(path: Document) -> bool:
    """Does a path end early, or its flow fail (`with_fates`)?"""
    return is_lost(path["ends"]) or bool(path.get("failing"))


def outcome(path: Document, words: Words) -> str:
    """How a flow fails, where `with_fates` knows; else how its path ends."""
    failing = path.get("failing")
    return fate(failing, words) if failing else ending(path)


def flows_of(group: Sequence[Document], words: Words) -> str:
    """`tcp web and bbox → 192.168.111.129:80`: flows of one protocol to one destination."""
    row = group[0]
    sources = list(dict.fromkeys(words.address(each["flow"]["src"], each["point"]) for each in group))
    destination = words.endpoint(row["flow"]["dst"], row["flow"]["dport"], point=row["point"])
    return f"{row['proto']} {listing(sources, 3)}{ARROW}{destination}"


def together(group: Sequence[Document]) -> Document:
    """A row for flows of one fate, with the sums of their numbers."""
    return {**group[0], **{key: sum(row[key] or 0 for row in group) for key in ("packets", "missing", "repeats")}}


def answers(rows: Sequence[Document], words: Words) -> list[str]:
    """What came back, but for plain replies: `192.168.111.1 answers 'host unreachable' (ICMP)`."""
    texts = []
    for row in rows:
        sender = words.address(row["from"], row["point"]) if row["from"] else ""
        match row["kind"]:
            case "reset":
                texts.append(Text(en="{sender} refuses (RST)", zh="{sender} 拒绝（RST）").fill(sender=sender))
            case "session-reset":
                text = FOREIGN_RESET if row["says"] else SESSION_RESET
                texts.append(text.fill(sender=sender, ttl=row["says"]))
            case "reply" if row["says"]:
                late = Text(en="{sender} answers after {time}", zh="{sender} 在 {time} 后才应答")
                texts.append(late.fill(sender=sender, time=row["says"]))
            case "icmp-error":
                error = Text(en="{sender} answers '{error}' (ICMP)", zh="{sender} 应答“{error}”（ICMP）")
                texts.append(error.fill(sender=sender, error=row["says"]))
            case "other-address":
                texts.append(Text(en="the answer comes from {sender}", zh="应答来自 {sender}").fill(sender=sender))
            case "none":
                silent = Text(en="reaches {point}, nothing answers", zh="到达 {point}，没有应答")
                texts.append(silent.fill(point=row["point"]))
    return list(dict.fromkeys(texts))  # each hop of a flow that is translated quotes other addresses


def is_lost(ends: str) -> bool:
    """Does a path end before its destination, or its answer before who asked?"""
    return ends not in ("delivered", "unknown")


def packets_lost(*paths: Document) -> int:
    """Packets of these paths that are lost between two of their points."""
    return sum(hop["lost"] or 0 for path in paths for hop in path["hops"])


def ending(*paths: Document) -> str:
    """How paths of one route end: `delivered`, `2 lost, the rest delivered`, `stops at A/ens33`, `end not seen`."""
    path = paths[0]
    kind, _, point = path["ends"].partition(" ")
    due = Text(en=", due at {due}", zh="，下一处应是 {due}").fill(due=path["due"]) if path["due"] else ""
    match kind:
        case "delivered":
            lost = packets_lost(*paths)
            return SOME_LOST.fill(lost=number(lost)) if lost else DELIVERED.fill()
        case "lost-after":
            return Text(en="lost after {point}", zh="在 {point} 之后丢失").fill(point=point)
        case "stops-at":
            return Text(en="stops at {point}{due}", zh="止于 {point}{due}").fill(point=point, due=due)
        case "answer-stops-at":
            return Text(en="delivered, the answer stops at {point}{due}", zh="已送达，应答止于 {point}{due}").fill(
                point=point, due=due
            )
        case "looped":
            return Text(en="goes in a circle", zh="循环转发").fill()
    return NOT_SEEN.fill()
