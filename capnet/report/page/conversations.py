"""Paths in both directions as conversations, and the rows of the ladder that shows both.

A path and its answer meet where they are not translated: the answer ends where the path began, or begins where it
ended. Conversations of one route are a group.
"""

from __future__ import annotations

from collections.abc import Sequence
from difflib import SequenceMatcher

from capnet.analysis.core.contract.document import Document
from capnet.quick_tuple import NamedTuple
from capnet.report.drawing.routes import packets
from capnet.report.words import tunnel

Key = tuple[object, ...]


class PathPair(NamedTuple):
    """A path, and that of its answers if it has any."""

    forward: Document
    backward: Document | None

    @property
    def packets(self) -> int:
        """Packets of both directions."""
        return sum(packets(path) for path in self if path)

    @property
    def route(self) -> Key:
        """Points, changes and ends, in both directions."""
        return tuple(_route(path) if path else None for path in self)


def conversation_groups(paths: Sequence[Document]) -> list[list[PathPair]]:
    """Conversations of paths with two points and more, grouped by their route; most packets first."""
    groups: dict[Key, list[PathPair]] = {}
    for conversation in conversations([path for path in paths if len(path["hops"]) > 1]):
        groups.setdefault(conversation.route, []).append(conversation)
    return sorted(groups.values(), key=lambda group: -sum(each.packets for each in group))


def conversations(paths: Sequence[Document]) -> list[PathPair]:
    """Each path once, those of requests with their answers first."""
    by_end: dict[Key, list[Document]] = {}
    for path in paths:
        for key in {_key(path, 0), _key(path, -1)}:
            by_end.setdefault(key, []).append(path)
    used: set[int] = set()
    result = []
    for path in sorted(paths, key=lambda path: bool(path["reply"])):
        if id(path) in used:
            continue
        used.add(id(path))
        answers = [*by_end.get(_key(path, 0, True), []), *by_end.get(_key(path, -1, True), [])]
        answer = next((each for each in answers if id(each) not in used), None)
        if answer is not None:
            used.add(id(answer))
        result.append(PathPair(path, answer))
    return result


def _key(path: Document, index: int, is_reversed: bool = False) -> Key:
    """The flow at the first or last hop."""
    hop = path["hops"][index]
    ends = (hop["src"], hop["sport"]), (hop["dst"], hop["dport"])
    return path["proto"], *(ends[::-1] if is_reversed else ends), hop.get("id")


def _route(path: Document) -> Key:
    hops = tuple((hop["point"], tuple(hop["change"]), tunnel(hop)) for hop in path["hops"])
    return hops, path["ends"], path["due"]


class Rung(NamedTuple):
    """A point, and which hop of each direction is there; None if that direction does not pass it."""

    point: str
    forward: int | None
    backward: int | None


def rungs(conversation: PathPair) -> list[Rung]:
    """The points in the order of the forward path; those that only the answers pass, where they pass them."""
    down = [hop["point"] for hop in conversation.forward["hops"]]
    up = [hop["point"] for hop in conversation.backward["hops"]][::-1] if conversation.backward else []
    result: list[Rung] = []
    for tag, start, end, up_start, up_end in SequenceMatcher(None, down, up, autojunk=False).get_opcodes():
        if tag == "equal":
            pairs = zip(range(start, end), range(up_start, up_end), strict=True)
            result += [Rung(down[i], i, len(up) - 1 - j) for i, j in pairs]
        else:
            result += [Rung(down[i], i, None) for i in range(start, end)]
            result += [Rung(up[j], None, len(up) - 1 - j) for j in range(up_start, up_end)]
    return result
