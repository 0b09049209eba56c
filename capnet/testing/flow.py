"""A flow of a capture as tests ask for it: all connections from one end to another, taken together."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

from capnet.analysis.core.contract.outcomes import Fate
from capnet.analysis.core.contract.report import Report
from capnet.analysis.core.results import FlowKey, Hop, Path
from capnet.quick_tuple import NamedTuple
from capnet.report.words import ARROW, Words
from capnet.testing.encryption import CannotTell, is_encrypted
from capnet.topology import Topology

__tracebackhide__ = True  # pytest shows the line of the test instead of this file

DELIVERED = "delivered"
MAX_SHOWN = 3  # connections in a message


class Form(NamedTuple):
    """Protocol, addresses and ports of a connection at one point, and the identifier of a ping."""

    proto: str
    src: str
    sport: int | None
    dst: str
    dport: int | None
    id: int | None

    @property
    def opposite(self) -> Form:
        """That of its answers."""
        return Form(self.proto, self.dst, self.dport, self.src, self.sport, self.id)


def form_of(proto: str, key: Hop | FlowKey, echo_id: int | None) -> Form:
    """The form of a hop, or of the flow of a fate."""
    return Form(proto, key.src, key.sport, key.dst, key.dport, echo_id)


class NamedFlow:
    """Connections from one end to another. A failed `assert flow.delivered` shows what becomes of each.

    `paths`: those that were seen at several points. `fates`: what became of each connection, also of those with a path,
    and of answers that lose packets.
    """

    def __init__(
        self,
        name: str,
        report: Report,
        topology: Topology | None,
        words: Words,
        paths: Sequence[Path],
        fates: Sequence[Fate],
    ) -> None:
        self.name = name
        self.paths = list(paths)
        self.fates = list(fates)
        self._report, self._topology, self._words = report, topology, words

    @property
    def delivered(self) -> bool:
        """Did every connection arrive, was it answered, and was nothing lost?

        An answer by TCP reset or ICMP error does not count. False also where the capture does not show the end.
        """
        return all(path.ends == DELIVERED for path in self.paths) and all(fate.fate == DELIVERED for fate in self.fates)

    @property
    def translated(self) -> bool:
        """Was an address or port of any connection rewritten (NAT), or does a proxy pass it on?"""
        changes = {change for path in self.paths for hop in path.hops for change in hop.change}
        return bool(changes & {"snat", "dnat", "proxied"})

    @property
    def client_address_kept(self) -> bool:
        """Does the last point see the source address that the first one sees? Raises CannotTell at one point."""
        if not self.paths:
            raise CannotTell(f"{self.name} was seen at one point only: capture where it arrives, too")
        return all(path.hops[0].src == path.hops[-1].src for path in self.paths)

    @property
    def encrypted(self) -> bool:
        """Does every connection cross between hosts in ESP, on a network that Docker encrypts? False: one is in clear.

        Raises CannotTell if neither can be shown; `capnet.testing.encryption` says what it takes.
        """
        return is_encrypted(self.name, self.paths, self._report, self._topology)

    @cached_property
    def _texts(self) -> list[str]:
        """A text for each connection, those that are not delivered first."""
        failed = {form_of(fate.proto, fate.flow, fate.id): fate for fate in self.fates if fate.fate != DELIVERED}
        forms_of_paths: set[Form] = set()
        texts = []
        for path in self.paths:
            forms = {form_of(path.proto, hop, hop.id) for hop in path.hops}
            forms_of_paths |= forms
            fate = next((failed[form] for form in forms if form in failed), None)
            ends = self._outcome(fate) if fate and path.ends == DELIVERED else path.ends.replace("-", " ", 1)
            route = ARROW.join(hop.point for hop in path.hops)
            texts.append((ends != DELIVERED, f"{self._ends(path)} {ends} ({route})"))
        for fate in self.fates:
            if form_of(fate.proto, fate.flow, fate.id) not in forms_of_paths:
                texts.append((fate.fate != DELIVERED, f"{self._ends(fate)} {self._outcome(fate)}"))
        return [text for _, text in sorted(texts, key=lambda text: not text[0])]

    @staticmethod
    def _outcome(fate: Fate) -> str:
        """`answered-by none at A/web/eth0`: what became of it, and where."""
        answers = dict.fromkeys(answer.kind for answer in fate.answers) if fate.fate == "answered-by" else ()
        return f"{' '.join([fate.fate.removesuffix('-at'), *answers])} at {fate.point}"

    def _ends(self, row: Path | Fate) -> str:
        key = row.flow
        side = {"src": key.src, "sport": key.sport, "dst": key.dst, "dport": key.dport}
        return f"{row.proto} {self._words.flow(side)}:"

    def __len__(self) -> int:
        return len(self._texts)

    def __repr__(self) -> str:
        more = [f"and {len(self._texts) - MAX_SHOWN} more"] if len(self._texts) > MAX_SHOWN else []
        return f"<flow {self.name}: {'; '.join(self._texts[:MAX_SHOWN] + more)}>"
