"""A small kernel that is not capnet's own."""

from __future__ import annotations

from capnet.jit.arrays import Int64Array
from capnet.jit.kernel import kernel


@kernel
def total(numbers: Int64Array, count: int) -> int:
    """Sum of the first `count` numbers."""
    result = 0
    for i in range(count):
        result += numbers[i]
    return result
