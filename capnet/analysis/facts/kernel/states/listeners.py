"""On which TCP and UDP ports programs listen, as `ss -ltn` and `ss -lun` print it (ss(8))."""

from __future__ import annotations

from capnet.analysis.core.wording import endpoint_text
from capnet.quick_tuple import NamedTuple

_STATES = ("LISTEN", "UNCONN")  # of TCP, of UDP
_ANY = {4: ("0.0.0.0", "*"), 6: ("::", "*")}  # `*`: an IPv6 socket that takes IPv4 too


class Listener(NamedTuple):
    """An address and port on which a program listens; `*` stands for all addresses of both families."""

    address: str
    port: int

    def serves(self, address: str, port: int) -> bool:
        """Does it take connections to this address and port?"""
        return self.port == port and self.address in (address, *_ANY[_family(address)])

    def serves_all(self, port: int) -> bool:
        """Does it take connections to this port, to all addresses of a family?"""
        return self.port == port and self.address in ("0.0.0.0", "::", "*")

    def __str__(self) -> str:
        return f"*:{self.port}" if self.address == "*" else endpoint_text(self.address, self.port)


def parsed_listeners(text: str) -> frozenset[Listener]:
    """Of lines `LISTEN 0 5 127.0.0.1:80 0.0.0.0:*`: the local address and port; `[::]:80`, `127.0.0.53%lo:53`."""
    listeners = set()
    for words in map(str.split, text.splitlines()):
        address, _, port = words[3].rpartition(":") if len(words) > 3 and words[0] in _STATES else ("", "", "")
        if port.isascii() and port.isdecimal():
            listeners.add(Listener(address.partition("%")[0].strip("[]"), int(port)))
    return frozenset(listeners)


def _family(address: str) -> int:
    return 6 if ":" in address else 4
