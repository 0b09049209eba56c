"""How captures are read: what `analyze`, `study` and a second pass take besides sources and topology."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event

from capnet.analysis.core.sources import Progress
from capnet.quick_dataclass import value

# Observations kept at most: 9 numbers of 8 bytes each, 27 MiB in all. What is derived from them takes as much again
# three times over, so that all fits 200 MiB.
MAX_OBSERVATIONS = 400_000


@value
class Options:
    """Only `vxlan_port`, `budget`, `excluded` and `until` may change a report.

    vxlan_port  a UDP port that always carries VXLAN, besides 4789; 0 = none
    compiled    run kernels compiled (True) or interpreted (False); None = as fits the size of the sources
    threads     threads that read a capture; None = one a processor, a few at most; 1 = no other thread
    budget      observations kept for following packets; of more packets a sample is kept
    excluded    bits of a digest that leave its packet out of the observations; 127 = one packet in 128 is kept
    until       the file may still be growing, and ends when this is set
    progress    called after each block
    waiting     called now and then while a growing file has nothing new
    """

    vxlan_port: int = 0
    compiled: bool | None = None
    threads: int | None = None
    budget: int = MAX_OBSERVATIONS
    excluded: int = 0
    until: Event | None = None
    progress: Callable[[Progress], None] | None = None
    waiting: Callable[[], None] | None = None
