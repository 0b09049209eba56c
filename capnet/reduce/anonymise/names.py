"""New names for those of a capture: each word becomes letters of the same length, one for one.

Lengths stay, so that names in DNS messages fit where they were. Numbers, and words that protocols and Docker give a
meaning, stay. Names of interfaces stay if the kernel, Docker or systemd gives such names to all hosts; what is drawn or
made of a MAC or an id in them is replaced.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from capnet.analysis.core.point_names import DEVICE
from capnet.reduce.anonymise.addresses import Draw, drawn

_WORD = re.compile(rb"[A-Za-z0-9]*[A-Za-z][A-Za-z0-9]*|[\x80-\xff]+|\d{2,}")
_HEX = re.compile(r"(?<=^br-)[0-9a-f]{12}|(?<=^veth)\w+|(?<=^cali)\w+|(?<=^lxc)\w+|(?<=^enx)\w+|(?<=^tap)\w+")
_LETTERS, _DIGITS, _NIBBLES = b"abcdefghijklmnopqrstuvwxyz", b"0123456789", b"0123456789abcdef"
MAX_TRIES = 200  # draws of a word before capnet takes one that is another one's too: of one or two digits

# Words with a meaning of their own, in names that DNS is asked for, in interfaces and networks.
KEPT = frozenset(
    b"addr arpa in ip6 local localhost localdomain internal lan home com net org cluster svc tasks docker host gateway "
    b"tcp udp dns sd br br0 veth vxlan bridge none ingress default overlay balancer container gwbridge docker0 eth0 lo "
    b"any".split()
)


class NameMap:
    """Maps names. While `is_noting`, words are collected and returned as they are."""

    def __init__(self, draw: Draw = drawn) -> None:
        self.is_noting = True
        self._draw = draw
        self._words: dict[bytes, bytes] = {}
        self._originals: set[bytes] = set()

    def assign(self) -> None:
        """Give new words from now on."""
        self.is_noting = False
        self._originals = {word for word in self._words if not word.startswith((b".", b"#"))}
        self._words.clear()

    def originals(self) -> list[str]:
        """The words of the capture that were replaced by others."""
        return sorted(word.decode("latin-1") for word in self._originals)

    def octets(self, name: bytes) -> bytes:
        """The new name of a label or another string, as long as the old one."""
        return _WORD.sub(lambda hit: self._word(hit[0]), name)

    def text(self, name: str) -> str:
        """The new name of a name."""
        return self.octets(name.encode("utf-8", "replace")).decode("latin-1")

    def point(self, name: str) -> str:
        """The new name of a point: `A/web/eth0`, `A/overlay:shop/br0`, `ens33`."""
        owner, slash, device = name.rpartition("/")
        return (self.owners(owner) + slash if slash else "") + self.device(device)

    def owners(self, name: str) -> str:
        """The new name of a network namespace, as points in it begin: `A/web`, `A/overlay:shop`."""
        return "/".join(map(self._owner, name.split("/")))

    def device(self, name: str) -> str:
        """The new name of an interface."""
        bare, mark, number = name.partition("#")
        if not re.fullmatch(DEVICE, bare):
            return self.text(bare) + mark + number
        return _HEX.sub(lambda hit: self._hex(hit[0]), bare) + mark + number

    def _owner(self, part: str) -> str:
        kind, colon, rest = part.partition(":")
        return f"{kind}:{self.text(rest)}" if colon and kind in ("overlay", "balancer") else self.text(part)

    def _hex(self, digits: str) -> str:
        new = self._replacement(b"#" + digits.encode(), lambda: b"#" + self._drawn(_NIBBLES, len(digits)))
        return new[1:].decode()

    def reverse_label(self, label: bytes, rest: bytes) -> bytes:
        """The new label of a name for an address, `2` of `2.0.17.172.in-addr.arpa`; `rest`: what stands behind it."""
        is_decimal = rest.lower().endswith(b"in-addr.arpa")
        new = self._replacement(
            b"." + label + b"." + rest, lambda: self._drawn(b"123456789" if is_decimal else _NIBBLES, len(label))
        )
        return label if self.is_noting else new

    def _word(self, word: bytes) -> bytes:
        lower = word.lower()
        if lower in KEPT:
            return word
        alphabet = _DIGITS if word.isdigit() else _LETTERS
        new = self._replacement(lower, lambda: self._drawn(alphabet, len(word)))
        return bytes(
            char - 32 if old.isupper() and char > 96 else char for char, old in zip(new, map(chr, word), strict=True)
        )

    def _replacement(self, word: bytes, make: Callable[[], bytes]) -> bytes:
        """What stands for a word from its first sight on; `make` draws one."""
        if word not in self._words:
            new = word
            if not self.is_noting:
                used = set(self._words.values())
                for _ in range(MAX_TRIES):
                    new = make()
                    if new not in used and new not in self._originals and new not in KEPT:
                        break
            self._words[word] = new
        return self._words[word]

    def _drawn(self, alphabet: bytes, length: int) -> bytes:
        return bytes(alphabet[self._draw(len(alphabet))] for _ in range(length))
