"""Big-endian numbers at many offsets of a block's bytes at once; callers compare offsets with the captured end."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import numpy as np

from capnet.analysis.core.schema import Values

Octets: TypeAlias = Annotated[np.ndarray, "(bytes,) uint8"]


def be16_at(raw: Octets, at: Values) -> Values:
    """Two octets at each offset."""
    return raw[at].astype(np.int64) * 256 + raw[at + 1]


def be32_at(raw: Octets, at: Values) -> Values:
    """Four octets at each offset."""
    return be16_at(raw, at) * 65536 + be16_at(raw, at + 2)


def be48_at(raw: Octets, at: Values) -> Values:
    """Six octets at each offset: MAC addresses."""
    return be16_at(raw, at) << 32 | be32_at(raw, at + 2)


def be64_at(raw: Octets, at: Values) -> Values:
    """Eight octets at each offset, as halves of IPv6 addresses: signed, as rows have them."""
    return be32_at(raw, at) << 32 | be32_at(raw, at + 4)
