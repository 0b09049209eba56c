"""What a report says of one container: who it is, whom it reaches and who reaches it, as whom, and where it fails.

Input: a document of the JSON contract and a name or an address. Output: a `Card`, whose strings are printable.
A flow counts as the container's if one of its ends has the container's address, before a translation or behind it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from capnet import language
from capnet.analysis.core.contract.document import Document
from capnet.analysis.core.wording import Text
from capnet.quick_tuple import NamedTuple
from capnet.report.comparison.identity import is_answer
from capnet.report.escape import visible_all
from capnet.report.fate_words import FAILED, fate
from capnet.report.text import count, listing
from capnet.report.words import Words
from capnet.wire.numbers import PORT_DNS

LEVELS = ("error", "warning")


class Card(NamedTuple):
    """The card, as lines of text for each heading; an empty list where the report says nothing of it."""

    name: str
    addresses: list[str]
    macs: list[str]
    points: list[str]
    fails: list[str]
    reached_by: list[str]
    reaches: list[str]
    appears_as: list[str]
    ports: list[str]
    names_asked: list[str]
    mtu: list[str]
    legend: list[tuple[str, str]]  # other names on the card, and their addresses
    has_failing_flow: bool


def card(document: Document, name: str) -> Card | None:
    """The card of who has this name or address in the report; None if no container or host has it."""
    document = visible_all(document)
    return _Subject(document, name).card() if names(document, name) else None


def names(document: Document, name: str) -> list[str]:
    """The addresses of a name, or the address itself if the report has it: IP addresses and MACs."""
    own = [address for address, other in document["names"].items() if name in (other, address)]
    for at_point in document.get("names_at", {}).values():
        own += [address for address, other in at_point.items() if name in (other, address)]
    stations = (address for row in document.get("stations", []) for address in (row["mac"], *row["ips"]))
    return list(dict.fromkeys([*own, *(address for address in stations if address == name)]))


ANSWERED = Text(en="answered", zh="得到应答")
BEHIND = Text(en=", translated to port {port}", zh="，转换到端口 {port}")
PUBLISHED = Text(en=", published as {ports}", zh="，端口映射 {ports}")


class _Subject:
    """Who a card is of: `addresses` of it, and what the rows of a report have to do with them."""

    def __init__(self, document: Document, name: str) -> None:
        self.document = document
        self.words = Words.of(document)
        self.addresses = [address for address in names(document, name) if not _is_mac(address)]
        self.name = self.words.address(name)
        self._at = document.get("names_at", {})
        self._forms = {  # a flow as it was sent → the translation that leads it here
            self._form(row["proto"], row["before"]): row
            for row in document.get("nat", [])
            if row["kind"] == "dnat" and self.has(row["after"]["dst"], row["after"]["point"])
        }

    def has(self, address: str, point: str) -> bool:
        """Whether an address is the subject's where it was seen: two hosts may use one address for two containers."""
        if address not in self.addresses:
            return False
        other = self._at.get(point, {}).get(address)
        return other is None or other == self.name

    def card(self) -> Card:
        sent = [row for row in self._fates() if self.has(row["flow"]["src"], row["point"])]
        received = [row for row in self._fates() if row not in sent and self._arrives(row)]
        return Card(
            name=self.name,
            addresses=self.addresses,
            macs=[row["mac"] for row in self._stations()],
            points=[point["name"] for point in self.document["points"] if point["container"] == self.name],
            fails=list(self._fails()),
            reached_by=_lines(self._received(row) for row in received),
            reaches=_lines(self._sent(row) for row in sent if row["flow"]["dport"] != PORT_DNS),
            appears_as=list(dict.fromkeys(self._appearances())),
            ports=list(dict.fromkeys(self._ports(received))),
            names_asked=_lines(self._sent(row) for row in sent if row["flow"]["dport"] == PORT_DNS),
            mtu=list(dict.fromkeys(self._mtus())),
            legend=self._legend([*sent, *received]),
            has_failing_flow=any(row["fate"] in FAILED for row in (*sent, *received)),
        )

    # -- rows ------------------------------------------------------------------------------------
    def _fates(self) -> list[Document]:
        rows: list[Document] = self.document.get("fates", [])
        return rows

    def _stations(self) -> Iterator[Document]:
        for row in self.document.get("stations", []):
            if row["kind"] == "container" and (self.name in row["names"] or set(row["ips"]) & set(self.addresses)):
                yield row

    def _arrives(self, row: Document) -> bool:
        return self.has(row["flow"]["dst"], row["point"]) or self._form(row["proto"], row["flow"]) in self._forms

    @staticmethod
    def _form(proto: str, side: Document) -> tuple[Any, ...]:
        return proto, side["src"], side["sport"], side["dst"], side["dport"]

    def _became(self, row: Document) -> str:
        return ANSWERED.fill() if row["fate"] == "delivered" and _is_answered(row) else fate(row, self.words)

    # -- lines -----------------------------------------------------------------------------------
    def _sent(self, row: Document) -> tuple[str, str]:
        flow = row["flow"]
        if is_answer(flow):
            what = Text(en="{proto} answers of port {port} to {to}", zh="{proto} 端口 {port} 给 {to} 的应答")
            to = self.words.address(flow["dst"], row["point"])
            return what.fill(proto=row["proto"], port=flow["sport"], to=to), self._became(row)
        to = self.words.endpoint(flow["dst"], flow["dport"], row["point"])
        return Text(en="{proto} to {to}", zh="{proto} 到 {to}").fill(proto=row["proto"], to=to), self._became(row)

    def _received(self, row: Document) -> tuple[str, str]:
        flow = row["flow"]
        asked = self.words.endpoint(flow["dst"], flow["dport"], row["point"])
        nat = self._forms.get(self._form(row["proto"], flow))
        behind = "" if nat is None else BEHIND.fill(port=nat["after"]["dport"])
        sender = self.words.address(flow["src"], row["point"])
        what = Text(en="{proto} from {sender}, at {asked}{behind}", zh="{proto} 来自 {sender}，到 {asked}{behind}")
        return what.fill(proto=row["proto"], sender=sender, asked=asked, behind=behind), self._became(row)

    def _appearances(self) -> Iterator[str]:
        protocols: dict[tuple[str, str], list[str]] = {}
        for row in self.document.get("nat", []):
            before, after = row["before"], row["after"]
            if row["kind"] == "snat" and self.has(before["src"], before["point"]):
                ends = self.words.introduce(after["src"]), self.words.address(after["dst"], after["point"])
                protocols.setdefault(ends, []).append(row["proto"])
        for (seen, receiver), used in protocols.items():
            yield Text(
                en="{seen}, to {receiver} (source NAT, {protocols})",
                zh="{seen}，对 {receiver}（源地址转换，{protocols}）",
            ).fill(seen=seen, receiver=receiver, protocols=listing(list(dict.fromkeys(used))))

    def _ports(self, received: Iterable[Document]) -> Iterator[str]:
        """Ports of the subject that were asked, as what they are published, and whether each answers."""
        ports: dict[str, tuple[list[str], list[bool]]] = {}
        for row in received:
            nat = self._forms.get(self._form(row["proto"], row["flow"]))
            port = row["flow"]["dport"] if nat is None else nat["after"]["dport"]
            if port is None:
                continue
            published, answers = ports.setdefault(f"{port}/{row['proto']}", ([], []))
            if nat is not None:
                published.append(self.words.endpoint(row["flow"]["dst"], row["flow"]["dport"], row["point"]))
            answers.append(_is_answered(row))
        for port, (published, answers) in ports.items():
            places = PUBLISHED.fill(ports=listing(list(dict.fromkeys(published)))) if published else ""
            yield Text(
                en="{port}{places}: {answered} of {flows} answered",
                zh="{port}{places}：{flows}中有 {answered} 条得到应答",
            ).fill(port=port, places=places, answered=sum(answers), flows=count(len(answers), "flow"))

    def _mtus(self) -> Iterator[str]:
        """What ICMP errors say of the size of the subject's packets, and of packets to it."""
        for row in self.document.get("icmp_errors", []):
            quoted = row["quoted"]
            if row["mtu"] is None or not any(self.has(quoted[end], row["point"]) for end in ("src", "dst")):
                continue
            yield Text(
                en="{sender} answers '{error}': packets from {source} to {destination} may have at most {mtu} bytes",
                zh="{sender} 应答“{error}”：从 {source} 到 {destination} 的包最大 {mtu} 字节",
            ).fill(
                sender=self.words.address(row["from"], row["point"]),
                error=row["name"],
                source=self.words.address(quoted["src"], row["point"]),
                destination=self.words.address(quoted["dst"], row["point"]),
                mtu=row["mtu"],
            )

    def _legend(self, rows: Iterable[Document]) -> list[tuple[str, str]]:
        """Names of who is at the other end of these flows, before and behind translations."""
        used = [row["flow"][end] for row in rows for end in ("src", "dst")]
        used += [row["from"] for row in self.document.get("icmp_errors", []) if row["mtu"] is not None]
        return self.words.legend(address for address in used if address not in self.addresses)

    def _fails(self) -> Iterator[str]:
        """Findings that need action and name the subject, or were seen at its own interfaces."""
        own_points = {point["name"] for point in self.document["points"] if point["container"] == self.name}
        for row in self.document.get("findings", []):
            mentioned = set(_strings(row["facts"])) & {self.name, *self.addresses}
            if row["level"] in LEVELS and (mentioned or own_points & {frame["point"] for frame in row["evidence"]}):
                yield language.labelled(f"{language.term(row['level'])} {row['name']}", row["says"])


def _is_answered(row: Document) -> bool:
    return any(answer["kind"] == "reply" for answer in row["answers"])


def _lines(pairs: Iterable[tuple[str, str]]) -> list[str]:
    """`what: what became of it`, equal ones as one with their number."""
    counts: dict[tuple[str, str], int] = {}
    for pair in pairs:
        counts[pair] = counts.get(pair, 0) + 1
    several = Text(en=" ({flows})", zh="（{flows}）")
    return [
        language.labelled(what, became) + (several.fill(flows=count(number, "flow")) if number > 1 else "")
        for (what, became), number in counts.items()
    ]


def _strings(value: Any) -> Iterator[str]:
    """Every string in a value of JSON."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)


def _is_mac(address: str) -> bool:
    return address.count(":") == 5 and len(address) == 17
