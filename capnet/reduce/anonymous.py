"""A capture without what identifies: its frames, points and names, its topology and its witnesses."""

from __future__ import annotations

from capnet.quick_tuple import NamedTuple
from capnet.reduce.anonymise.frames import Anonymiser
from capnet.reduce.anonymise.topologies import addresses_in, anonymised
from capnet.reduce.anonymise.witnesses import anonymised as witnesses_anonymised
from capnet.reduce.anonymise.witnesses import without_remaining
from capnet.reduce.frames import Loaded
from capnet.topology import Topology
from capnet.witnesses import Witnesses


def is_ip(address: str) -> bool:
    """Is it the text of an IP address, and not of a MAC?"""
    return not (address.count(":") == 5 and len(address) == 17)


class Anonymous(NamedTuple):
    """What is known beside a capture, with others in place of what identifies; and what was replaced."""

    loaded: Loaded
    topology: Topology | None
    witnesses: Witnesses | None
    replaced: list[str]


def anonymous(
    loaded: Loaded,
    topology: Topology | None,
    witnesses: Witnesses | None = None,
    reads: frozenset[str] = frozenset(),
) -> Anonymous:
    """The frames, points, names, topology and witnesses with others in place of what identifies.

    `reads`: payload whose form stays (`findings.payload_read_by`).
    """
    subnets = set(addresses_in(topology)) if topology else ()
    anonymiser = Anonymiser(sorted(subnets), reads=reads)
    _rewritten(loaded, topology, anonymiser)
    if witnesses:
        witnesses_anonymised(witnesses, anonymiser)
    anonymiser.assign()
    new, new_topology = _rewritten(loaded, topology, anonymiser)
    new_witnesses = witnesses_anonymised(witnesses, anonymiser) if witnesses else None
    replaced = anonymiser.addresses.originals() + anonymiser.names.originals()
    if new_witnesses:
        new_witnesses = without_remaining(new_witnesses, replaced)
    return Anonymous(new, new_topology, new_witnesses, replaced)


def _rewritten(loaded: Loaded, topology: Topology | None, anonymiser: Anonymiser) -> tuple[Loaded, Topology | None]:
    frames = [frame._replace(raw=anonymiser.frame(frame.raw, frame.rows)) for frame in loaded.frames]
    points = [
        facts._replace(
            name=anonymiser.names.point(facts.name),
            mac=anonymiser.addresses.mac(bytes.fromhex(facts.mac.replace(":", ""))).hex(":") if facts.mac else None,
        )
        for facts in loaded.points
    ]
    names = {
        anonymiser.addresses.text(address): [anonymiser.names.text(name) for name in own]
        for address, own in loaded.names.items()
        if is_ip(address)
    }
    return Loaded(frames, points, names), anonymised(topology, anonymiser) if topology else None
