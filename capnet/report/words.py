"""How a report writes addresses, flows and frames: addresses by their names or whole, frames by their points."""

from __future__ import annotations

from collections.abc import Collection, Container, Iterable, Mapping, Sequence

from capnet import language
from capnet.analysis.core.contract.document import Document
from capnet.analysis.core.wording import Text
from capnet.report.text import listing

ARROW = " → "
_CHANGES = {"dnat": "DNAT", "snat": "SNAT", "snat+dnat": "SNAT + DNAT"}  # value in JSON → in text
_REPLY_CHANGES = {"dnat": "un-SNAT (reply)", "snat": "un-DNAT (reply)"}  # as conntrack has original and reply
TUNNEL_CHANGES = ("encapsulated", "decapsulated")
MAC_LENGTH = len("02:42:ac:11:00:02")
MAX_NAME_LENGTH = 64  # characters of a name (a DNS label has 63); of a longer one, both ends are shown


class Words:
    """Writes addresses by their names, and frames by their points.

    `names`: address → name. `names_at`: point → address → name, of addresses that several hosts have. With `one_point`,
    the report does not repeat the name of the point. `peers`: point → the one at the other end of its veth pair.
    """

    def __init__(
        self,
        names: Mapping[str, str],
        one_point: bool = False,
        names_at: Mapping[str, Mapping[str, str]] | None = None,
        peers: Mapping[str, str | None] | None = None,
    ) -> None:
        self.one_point = one_point
        self.peers = peers or {}
        self.names = {address: _bounded(name) for address, name in names.items()}
        self.names_at = {
            point: {address: _bounded(name) for address, name in own.items()} for point, own in (names_at or {}).items()
        }
        self._introduced: set[str] = set()

    @classmethod
    def of(cls, document: Document) -> Words:
        """The words for a document."""
        points = document["points"]
        peers = {point["name"]: point.get("peer") for point in points}
        return cls(document.get("names", {}), len(points) == 1, document.get("names_at"), peers)

    def address(self, address: str, point: str = "") -> str:
        """`web`, or the address itself where it has no name; `point`: where it was seen."""
        return self.names.get(address) or self.names_at.get(point, {}).get(address, address)

    def introduce(self, *addresses: str, most: int = 4) -> str:
        """`web (172.17.0.2) and 172.17.0.9`: names with their addresses, for the first mention."""
        owners: dict[str, list[str]] = {}
        for address in addresses:
            owners.setdefault(self.address(address), []).append(address)
        texts = list(owners)
        for number, (name, owned) in zip(range(most), owners.items(), strict=False):
            if [name] != owned:
                texts[number] = language.pick("{} ({})", "{}（{}）").format(name, language.pick(", ", "、").join(owned))
            self._introduced.update(owned)
        return listing(texts, most)

    def mention(self, address: str) -> str:
        """`B (192.168.111.129)` the first time, `B` from then on."""
        return self.address(address) if address in self._introduced else self.introduce(address)

    def endpoint(self, address: str, port: int | None, point: str = "") -> str:
        """`web:80`, `192.168.111.129:7000`, `[fd00::2]:80`."""
        shown = self.address(address, point)
        if port is None:
            return shown
        return f"[{shown}]:{port}" if ":" in shown else f"{shown}:{port}"

    def flow(self, side: Document, point: str = "") -> str:
        """`bbox:5555 → 192.168.111.129:7000`; of ICMP `web id 4242 → 192.168.111.129`; `point`: where it was seen."""
        point = point or side.get("point", "")
        source = self.endpoint(side["src"], side["sport"], point=point)
        if side.get("id") is not None:
            source += f" id {side['id']}"
        return source + ARROW + self.endpoint(side["dst"], side["dport"], point=point)

    def changes(self, before: Document, hop: Document, reply: bool) -> list[str]:
        """What happened between two hops: `routed`, `SNAT`, `encapsulated vxlan 4097`; in a reply `un-SNAT (reply)`."""
        return [self._change(change, before, hop, reply) for change in hop["change"]]

    def _change(self, change: str, before: Document, hop: Document, reply: bool) -> str:
        if change == "bridged" and self.peers.get(before["point"]) == hop["point"]:
            return language.term("veth")
        inside = hop if change == "encapsulated" else before
        if change in TUNNEL_CHANGES:
            return f"{language.term(change)} {tunnel(inside)}".rstrip()
        return language.term((_REPLY_CHANGES if reply else _CHANGES).get(change, change))

    def seen_at(self, evidence: Sequence[Document], points: Iterable[str]) -> list[str]:
        """`A/docker0 #41`: the earliest evidence at each of `points`, or the point alone where there is none."""
        earliest: dict[str, Document] = {}
        for frame in evidence:
            earliest.setdefault(frame["point"], frame)
        return [
            self.place(point, f"#{earliest[point]['frame']}" if point in earliest else "")
            for point in dict.fromkeys(points)
        ]

    def frames(self, evidence: Sequence[Document], most: int) -> list[str]:
        """`A/ens33 #3 #7`, `B/ens33 #9`: of the first `most` frames, those of each point."""
        frames: dict[str, list[str]] = {}
        for frame in evidence[:most]:
            frames.setdefault(frame["point"], []).append(f"#{frame['frame']}")
        return [self.place(point, " ".join(numbers)) for point, numbers in frames.items()]

    def place(self, point: str, frames: str = "") -> str:
        """`A/docker0 #41`; `#41` when there is one point only."""
        return frames if self.one_point else f"{point} {frames}".rstrip()

    def places(self, points: Sequence[str]) -> str:
        """`A/docker0 and 3 more`: one of several points, and how many more."""
        if self.one_point or not points:
            return ""
        more = Text(en="{point} and {number} more", zh="{point} 及另外 {number} 处")
        return points[0] if len(points) == 1 else more.fill(point=points[0], number=len(points) - 1)

    def legend(self, used: Iterable[str]) -> list[tuple[str, str]]:
        """(`web`, `172.17.0.2, fd00::2`) for every name with an address in `used` that was not introduced, by name."""
        shown = dict.fromkeys(used)
        return self._with_addresses(shown, (address for address in shown if address not in self._introduced))

    def all_names(self) -> list[tuple[str, str]]:
        """As `legend`, of every name but those of MACs and of addresses that hold on one link only."""
        addresses = dict.fromkeys([*self.names, *(address for own in self.names_at.values() for address in own)])
        shown = [address for address in addresses if not address.startswith("fe80:") and len(address) != MAC_LENGTH]
        return self._with_addresses(shown, shown)

    def _with_addresses(self, shown: Collection[str], named: Iterable[str]) -> list[tuple[str, str]]:
        addresses: dict[str, list[str]] = {}
        for address in named:
            if address in self.names:
                addresses.setdefault(self.names[address], []).append(address)
        for (name, address), host in self._names_on_hosts(shown).items():
            on_host = language.pick("{} (on {})", "{}（{} 上）").format(name, host)
            own = addresses.setdefault(on_host if host else name, [])
            if address not in own:
                own.append(address)
        return [(name, ", ".join(addresses[name])) for name in sorted(addresses) if addresses[name]]

    def _names_on_hosts(self, shown: Container[str]) -> dict[tuple[str, str], str]:
        """(name, address) of names at points → the host, where the address has another name elsewhere."""
        hosts: dict[tuple[str, str], str] = {}
        names: dict[str, set[str]] = {}
        for point, own in self.names_at.items():
            for address, name in own.items():
                if address in shown:
                    hosts.setdefault((name, address), point.partition("/")[0])
                    names.setdefault(address, set()).add(name)
        return {key: host if len(names[key[1]]) > 1 else "" for key, host in hosts.items()}


def translation(kind: str, reply: bool = False) -> str:
    """`SNAT + DNAT`: the kind of a translation; of a reply `un-SNAT (reply)`, which it undoes."""
    return language.term((_REPLY_CHANGES if reply else _CHANGES).get(kind, kind))


def tunnel(hop: Document) -> str:
    """`vxlan 4097`, empty outside of tunnels."""
    through = hop["tunnel"]
    if not through:
        return ""
    return through["kind"] if through["vni"] is None else f"{through['kind']} {through['vni']}"


def vlan_text(row: Document) -> str:
    """`10`, of a tag stack `100.10`, the outermost first; empty without a tag."""
    return ".".join(map(str, row.get("vlan", [])))


def _bounded(name: str) -> str:
    """The name; of one longer than MAX_NAME_LENGTH its beginning and its end, where replicas have their numbers."""
    if len(name) <= MAX_NAME_LENGTH:
        return name
    end = MAX_NAME_LENGTH // 3
    return f"{name[: MAX_NAME_LENGTH - end - 1]}…{name[-end:]}"
