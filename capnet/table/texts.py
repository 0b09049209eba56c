"""Many texts in one piece of memory, as Arrow has them: offsets, and UTF-8 one after the other."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Annotated, TypeAlias

import numpy as np

from capnet.quick_dataclass import frozen

Octets: TypeAlias = Annotated[np.ndarray, "(bytes,) uint8"]
Offsets: TypeAlias = Annotated[np.ndarray, "(texts + 1,) int32"]
Numbers: TypeAlias = Annotated[np.ndarray, "(texts,) int64"]

_DIGITS = np.frombuffer(b"".join(str(n).ljust(3).encode() for n in range(256)), dtype=np.uint8).reshape(256, 3)
_HEX = np.frombuffer(b"".join(f"{n:02x}".encode() for n in range(256)), dtype=np.uint8).reshape(256, 2)


@frozen
class Texts:
    """`offsets[n]` to `offsets[n + 1]` of `data` is text n."""

    offsets: Offsets
    data: Octets

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def to_list(self) -> list[str]:
        """The texts as Python has them."""
        raw, offsets = self.data.tobytes(), self.offsets.tolist()
        return [raw[a:b].decode("utf-8", "replace") for a, b in pairwise(offsets)]


def texts_of(texts: Iterable[str]) -> Texts:
    """Texts of Python, in memory. What UTF-8 cannot write, such as halves of file names, is spelled out."""
    raw = [text.encode("utf-8", "backslashreplace") for text in texts]
    lengths = np.fromiter(map(len, raw), dtype=np.int64, count=len(raw))
    return Texts(_offsets(lengths), np.frombuffer(b"".join(raw), dtype=np.uint8))


def joined(parts: Sequence[Texts]) -> Texts:
    """The texts of all parts, one part after the other."""
    if len(parts) == 1:
        return parts[0]
    lengths = np.concatenate([np.diff(part.offsets) for part in parts])
    return Texts(_offsets(lengths), np.concatenate([part.data for part in parts]))


def ipv4_texts(values: Numbers) -> Texts:
    """`172.17.0.2` for each 32-bit number."""
    octets = np.stack([values >> shift & 255 for shift in (24, 16, 8, 0)], axis=1)
    written = np.full((len(values), 4, 4), ord("."), dtype=np.uint8)
    written[:, :, :3] = _DIGITS[octets]
    is_kept = written != ord(" ")
    is_kept[:, 3, 3] = False
    lengths = is_kept.reshape(len(values), 16).sum(axis=1)
    return Texts(_offsets(lengths), written[is_kept])


def mac_texts(values: Numbers) -> Texts:
    """`02:42:ac:11:00:02` for each 48-bit number."""
    octets = np.stack([values >> shift & 255 for shift in range(40, -1, -8)], axis=1)
    written = np.full((len(values), 6, 3), ord(":"), dtype=np.uint8)
    written[:, :, :2] = _HEX[octets]
    return Texts(_offsets(np.full(len(values), 17)), written.reshape(len(values), 18)[:, :17].reshape(-1))


def _offsets(lengths: Numbers) -> Offsets:
    offsets = np.zeros(len(lengths) + 1, dtype=np.int32)
    np.cumsum(lengths, out=offsets[1:])
    return offsets
