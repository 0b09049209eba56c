"""Points that join a running capture: from the start of their programs until they listen."""

from __future__ import annotations

from collections.abc import Callable

from capnet.record.bundle.bundle import address_names, mac_names
from capnet.record.live.arrivals import Arrivals
from capnet.record.live.blocks import interface_block
from capnet.record.live.later_topology import add_later
from capnet.record.live.tap import Tap
from capnet.topology import Topology
from capnet.wire.formats import pcapng_writer as pcapng


class Joining:
    """Adds what arrives to `topology`; `say` is told what cannot be captured."""

    def __init__(self, arrivals: Arrivals, topology: Topology, snaplen: int, say: Callable[[str], None]) -> None:
        self._arrivals, self._topology, self._snaplen, self._say = arrivals, topology, snaplen, say
        self._starting: list[Tap] = []
        self._named = {*address_names(topology), *mac_names(topology)}  # in the output by now

    @property
    def is_pending(self) -> bool:
        """Whether a program has not begun to listen yet."""
        return bool(self._starting)

    def listening(self) -> list[Tap]:
        """The new points that listen since the last call, and whose link type is known."""
        self._take()
        for tap in self._starting:
            if tap.look():
                self._say(f"{tap.point.name} is left out: {tap.ended}")
                tap.reader.close()
        ready = [tap for tap in self._starting if tap.is_listening and tap.reader.peek_linktype() is not None]
        self._starting = [tap for tap in self._starting if tap.ended is None and tap not in ready]
        return ready

    def _take(self) -> None:
        arrivals, sentences = self._arrivals.take()
        for arrival in arrivals:
            add_later(self._topology, arrival.topology)
            self._starting += [Tap(process, 0) for process in arrival.processes]
        for sentence in sentences:
            self._say(sentence)

    def blocks(self, tap: Tap) -> bytes:
        """What the output needs before the packets of the point: its interface, and names that are new.

        The point is in the topology then.
        """
        self._topology.points = [*self._topology.points, tap.point.listening_point()]
        linktype = tap.reader.peek_linktype()
        assert linktype is not None
        return interface_block(tap.point, linktype, self._snaplen) + self._new_names()

    def _new_names(self) -> bytes:
        """A name resolution block, empty without new names.

        An address that has a name in the output, and is another container's now, gets that name too: two names tell
        a reader that it means no one thing.
        """
        addresses, macs = set(address_names(self._topology)), set(mac_names(self._topology))
        used = {key for key, _ in self._named}
        for container in self._topology.containers:
            for end in container.endpoints:
                addresses |= {(address, container.name) for address in end.ips if address in used}
                macs |= {(end.mac, container.name)} if end.mac in used else set()
        addresses, macs = addresses - self._named, macs - self._named
        self._named |= addresses | macs
        return pcapng.names(sorted(addresses), sorted(macs)) if addresses or macs else b""

    def forget(self, tap: Tap) -> None:
        """The point has ended: if it is there again, it joins again."""
        self._arrivals.forget(tap.point)

    def close(self) -> None:
        """Nothing arrives any more; programs that do not listen yet are ended."""
        self._arrivals.close()
        self._take()
        for tap in self._starting:
            tap.process.request_stop()
        for tap in self._starting:
            tap.wait()
            tap.reader.close()
        self._starting = []
