"""A capture as tests ask about it: its findings, and its flows by the names of their ends."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cached_property
from ipaddress import ip_address
from os import PathLike

from capnet.analysis.core.contract.outcomes import Fate
from capnet.analysis.core.results import Finding, FlowKey, Hop, Path
from capnet.analysis.engine import Study, study
from capnet.analysis.facts.outcomes.fates import every_fate
from capnet.analysis.facts.paths import every_path
from capnet.analysis.filters.names import of_compose_service
from capnet.errors import UnreadableInput
from capnet.quick_tuple import NamedTuple
from capnet.report.words import Words
from capnet.testing.encryption import CannotTell
from capnet.testing.flow import Form, NamedFlow, form_of

__tracebackhide__ = True  # pytest shows the line of the test instead of this file

PARTIAL = "not-all-looked-at"  # the finding of a capture with more flows than are examined
MAX_NAMED = 12  # flows in a message


class NoSuchFlow(LookupError):
    """No flow is between these ends; the message names those that there are."""


class End(NamedTuple):
    """An end of a flow: its addresses, and its port if it matters."""

    addresses: frozenset[str]
    port: int | None

    def is_at(self, address: str, port: int | None) -> bool:
        """Is the end at this address and port?"""
        return address in self.addresses and self.port in (None, port)


class Net:
    """What a capture shows. `report` is the whole of it."""

    def __init__(self, result: Study) -> None:
        self.report = result.report
        self.files = [source.file for source in result.report.inputs]
        self._study = result
        self._words = Words.of(result.report.to_dict())

    @property
    def findings(self) -> list[Finding]:
        """The problems: findings of level error and warning that are no symptom of another one. Worst first.

        `not-all-looked-at` is among them: without the rest of the capture, no other finding would say little.
        Raises CannotTell if the capture has no packets.
        """
        if not any(point.packets for point in self.report.points):
            raise CannotTell(f"{', '.join(self.files)}: no packet was captured, so nothing can be found")
        return [each for each in self.report.findings if each.level != "info" or each.name == PARTIAL]

    def flow(self, source: str, destination: str) -> NamedFlow:
        """The flow from one end to another, of those that opened it: `net.flow("web", "db:5432")`.

        An end is a name, an IP address, or either with a port: `db:5432`, `172.17.0.2:80`, `[fd00::2]:80`. Before and
        behind a translation both forms count: a client's flow to `host:8080` is also the one to `web:80`.
        Raises NoSuchFlow.
        """
        ends = self._end(source), self._end(destination)
        paths = [path for path in self._paths if self._is_between(path.hops, *ends)]
        forms = {form_of(path.proto, hop, hop.id) for path in paths for hop in path.hops}
        forms |= {form for form, fate in self._fates if self._is_between([fate.flow], *ends)}
        answers = {form.opposite for form in forms}  # they have a fate of their own where packets of them are lost
        fates = [fate for form, fate in self._fates if form in forms or form in answers]
        name = f"{source} → {destination}"
        if not paths and not fates:
            raise NoSuchFlow(f"no flow {name}; there are {self._named()}")
        return NamedFlow(name, self.report, self._study.context.topology, self._words, paths, fates)

    @cached_property
    def _paths(self) -> list[Path]:
        return [path for path in every_path(self._study.context) if not path.reply]

    @cached_property
    def _fates(self) -> list[tuple[Form, Fate]]:
        return [(form_of(fate.proto, fate.flow, fate.id), fate) for fate in every_fate(self._study.context)]

    @staticmethod
    def _is_between(forms: Iterable[Hop | FlowKey], source: End, destination: End) -> bool:
        forms = list(forms)
        return any(source.is_at(each.src, each.sport) for each in forms) and any(
            destination.is_at(each.dst, each.dport) for each in forms
        )

    def _end(self, given: str) -> End:
        name, port = _split(given)
        names = self.report.names.items()
        by_point = (item for names_here in self.report.names_at.values() for item in names_here.items())
        addresses = {address for address, its_name in (*names, *by_point) if its_name == name}
        if not addresses:
            addresses = {address for _, address in of_compose_service(self._study.context.topology, name)}
        if not addresses:
            try:
                addresses = {str(ip_address(name))}
            except ValueError:
                raise NoSuchFlow(f"{name} is no address, and the capture names nothing so; {self._names()}") from None
        return End(frozenset(addresses), port)

    def _names(self) -> str:
        names = sorted({name for address, name in self.report.names.items() if _is_ip(address)})
        return f"there are {', '.join(names)}" if names else "it has no names: no topology lies beside it"

    def _named(self) -> str:
        rows: list[Path | Fate] = [*self._paths, *(fate for _, fate in self._fates)]
        sides = [{"src": r.flow.src, "sport": None, "dst": r.flow.dst, "dport": r.flow.dport} for r in rows]
        names = list(dict.fromkeys(self._words.flow(side) for side in sides))
        more = f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else ""
        return ", ".join(names[:MAX_NAMED]) + more if names else "none"

    def __repr__(self) -> str:
        packets = sum(point.packets for point in self.report.points)
        return f"<capture {', '.join(self.files)}: {packets} packets at {len(self.report.points)} points>"


def net_of(*files: str | PathLike[str]) -> Net:
    """What stored captures show; several files are one capture at several points. Raises UnreadableInput."""
    try:
        return Net(study(list(files)))
    except UnreadableInput as error:
        raise error.with_traceback(None) from None  # says all; where it was raised is capnet's own


def _split(given: str) -> tuple[str, int | None]:
    """`db:5432` → (db, 5432); an IPv6 address with a port stands in brackets."""
    if match := re.fullmatch(r"\[([^\]]+)\](?::(\d+))?|([^:]*):(\d+)", given):
        name, port, other, other_port = match.groups()
        return name or other, int(port or other_port) if port or other_port else None
    return given, None


def _is_ip(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
