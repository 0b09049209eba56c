"""A flow of a capture as tests ask for it: all connections from one end to another, taken together."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

from capnet.analysis.core.contract.outcomes import Fate
from capnet.analysis.core.contract.report import Report
from capnet.analysis.core.point_names import name_of_point
from capnet.analysis.core.results import Path
from capnet.report.words import ARROW, Words

UPLINKS = ("parent", "underlay")  # roles of points that lie between hosts
MAX_SHOWN = 3  # connections in a message


class CannotTell(LookupError):
    """The capture does not show what is asked for; the message says which point is missing."""


class Flow:
    """Connections from one end to another. A failed `assert flow.delivered` shows what becomes of each.

    `paths`: those that were seen at several points; `fates`: the others. The answers are not among them.
    """

    def __init__(self, name: str, report: Report, words: Words, paths: Sequence[Path], fates: Sequence[Fate]) -> None:
        self.name = name
        self.paths = list(paths)
        self.fates = list(fates)
        self._report = report
        self._words = words

    @property
    def delivered(self) -> bool:
        """Did every connection arrive, and its answers too? False also where the capture does not show the end."""
        return all(each.ends == "delivered" for each in self.paths) and all(
            each.fate == "delivered" for each in self.fates
        )

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
        """Is it encrypted (ESP, WireGuard) wherever hosts send it to each other?

        Raises CannotTell if it does not go from host to host, or no point between hosts was captured.
        """
        hosts = {name_of_point(hop.point).host for path in self.paths for hop in path.hops}
        if len(hosts) < 2:
            raise CannotTell(f"{self.name} was not seen at points of two hosts")
        uplinks = {point.name for point in self._report.points if point.role in UPLINKS and point.host in hosts}
        if not uplinks:
            raise CannotTell(f"no point between the hosts of {self.name} was captured: capture at their NICs, too")
        is_hidden = not any(hop.point in uplinks for path in self.paths for hop in path.hops)
        return is_hidden and any(tunnel.encrypted and tunnel.point in uplinks for tunnel in self._report.tunnels)

    @cached_property
    def _texts(self) -> list[str]:
        texts = []
        for path in self.paths:
            route = ARROW.join(hop.point for hop in path.hops)
            texts.append(f"{self._ends(path)} {path.ends.replace('-', ' ', 1)} ({route})")
        return texts + [f"{self._ends(fate)} {fate.fate} at {fate.point}" for fate in self.fates]

    def _ends(self, row: Path | Fate) -> str:
        key = row.flow
        side = {"src": key.src, "sport": key.sport, "dst": key.dst, "dport": key.dport}
        return f"{row.proto} {self._words.flow(side)}:"

    def __len__(self) -> int:
        return len(self.paths) + len(self.fates)

    def __repr__(self) -> str:
        more = [f"and {len(self._texts) - MAX_SHOWN} more"] if len(self._texts) > MAX_SHOWN else []
        return f"<flow {self.name}: {'; '.join(self._texts[:MAX_SHOWN] + more)}>"
