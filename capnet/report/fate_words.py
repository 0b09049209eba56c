"""Fates of flows, ends of paths and answers, in the words of sentences, tables and drawings."""

from __future__ import annotations

from collections.abc import Sequence

from capnet.analysis.core.contract.document import Document
from capnet.report.text import count, listing, number
from capnet.report.words import ARROW, Words

FAILED = ("looped", "stops-at", "answer-stops-at", "answered-by", "loses", "repeated")  # fates to look into


def fate(row: Document, words: Words) -> str:
    """`stops at A/ens33, due at A/docker0`: what became of a flow, by its row of `fates`."""
    point, due = row["point"], row["next"]
    match row["fate"]:
        case "looped":
            return f"goes in a circle at {point}"
        case "stops-at":
            return f"stops at {point}, due at {due}"
        case "answer-stops-at":
            return f"the answer stops at {point}, due at {due}"
        case "answered-by":
            return "; ".join(answers(row["answers"], words)) or f"reaches {point}"
        case "loses":
            where = f"between {point} and {due}" if due != point else f"at {point}"
            return f"{number(row['missing'])} of {count(row['packets'], 'packet')} lost {where}"
        case "repeated":
            return f"no answer, sent again {count(row['repeats'], 'time')}; last seen at {point}"
        case "delivered":
            return "delivered"
    return "end not seen"


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
                texts.append(f"{sender} refuses (RST)")
            case "icmp-error":
                texts.append(f"{sender} answers '{row['says']}' (ICMP)")
            case "other-address":
                texts.append(f"the answer comes from {sender}")
            case "none":
                texts.append(f"reaches {row['point']}, nothing answers")
    return texts


def is_lost(ends: str) -> bool:
    """Does a path end before its destination, or its answer before who asked?"""
    return ends not in ("delivered", "unknown")


def ending(path: Document) -> str:
    """How a path ends: `delivered`, `stops at A/ens33, due at A/docker0`, `end not seen`."""
    kind, _, point = path["ends"].partition(" ")
    due = f", due at {path['due']}" if path["due"] else ""
    match kind:
        case "delivered":
            return "delivered"
        case "lost-after":
            return f"lost after {point}"
        case "stops-at":
            return f"stops at {point}{due}"
        case "answer-stops-at":
            return f"delivered, the answer stops at {point}{due}"
        case "looped":
            return "goes in a circle"
    return "end not seen"
