"""What facts and findings are derived from: the tables of one pass, the points, and who owns which address."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import field
from typing import TYPE_CHECKING, Any

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.payload import (
    AdvertisedAddress,
    BgpMessages,
    Checksums,
    DnsMessages,
    FtpOpening,
    IkeMessages,
    LogRule,
    Membership,
    Mirror,
    SctpChunks,
    StreamStart,
    TlsAlert,
    VrrpMaster,
)
from capnet.analysis.core.results import Evidence, Input, Point
from capnet.analysis.core.schema import (
    ArpTable,
    DhcpTable,
    FlowTable,
    IcmpErrorTable,
    NdTable,
    Observations,
    StationTable,
    SynTable,
    TunnelChecksumTable,
    TunnelTable,
)
from capnet.quick_dataclass import state
from capnet.topology import Topology

if TYPE_CHECKING:
    from capnet.analysis.core.rings.frame_numbers import FrameNumbers
    from capnet.wire.formats.reader import Pause
    from capnet.witnesses import Witnesses


@state
class Context:
    """Inputs only, which no step changes; what is computed from them is kept in `derived` (`core.derived`)."""

    points: list[Point]
    topology: Topology | None
    flows: FlowTable
    stations: StationTable
    arps: ArpTable
    tunnels: TunnelTable
    observations: Observations
    sample_share: float = 1.0  # share of digests observed; 1.0 = every packet is compared
    names: dict[str, str] = field(default_factory=dict)  # address → name, where it is unambiguous
    inputs: list[Input] = field(default_factory=list)  # the files that were read
    totals: dict[str, int] = field(default_factory=dict)  # `addresses`, `arps`, `tunnels`: rows before limits
    dns: DnsMessages = field(default_factory=DnsMessages)
    checksums: dict[int, Checksums] = field(default_factory=dict)  # by point
    icmp_errors: IcmpErrorTable = field(default_factory=lambda: np.zeros((0, schema.ICMP_WIDTH), dtype=np.int64))
    tunnel_checksums: TunnelChecksumTable = field(
        default_factory=lambda: np.zeros((0, schema.CHECKSUM_WIDTH), dtype=np.int64)
    )
    plain_checksums: TunnelChecksumTable = field(
        default_factory=lambda: np.zeros((0, schema.CHECKSUM_WIDTH), dtype=np.int64)
    )  # of TCP outside of tunnels
    dhcp: DhcpTable = field(default_factory=lambda: np.zeros((0, schema.DHCP_WIDTH), dtype=np.int64))
    nd: NdTable = field(default_factory=lambda: np.zeros((0, schema.ND_WIDTH), dtype=np.int64))
    syns: SynTable = field(default_factory=lambda: np.zeros((0, schema.SYN_WIDTH), dtype=np.int64))
    mirrors: list[Mirror] = field(default_factory=list)
    memberships: list[Membership] = field(default_factory=list)
    sctp: list[SctpChunks] = field(default_factory=list)
    ike: list[IkeMessages] = field(default_factory=list)
    bgp: list[BgpMessages] = field(default_factory=list)
    vrrp: list[VrrpMaster] = field(default_factory=list)
    log_rules: list[LogRule] = field(default_factory=list)
    stream_starts: list[StreamStart] = field(default_factory=list)
    tls_alerts: list[TlsAlert] = field(default_factory=list)
    ftp_openings: list[FtpOpening] = field(default_factory=list)
    advertised: list[AdvertisedAddress] = field(default_factory=list)
    witnesses: Witnesses | None = None  # what the kernels say of the packets themselves
    series: dict[str, FrameNumbers] = field(default_factory=dict)  # by the first file of several that are one point
    pauses: dict[int, list[Pause]] = field(default_factory=dict)  # by point: when it may not have listened
    unfiltered: set[int] = field(default_factory=set)  # points whose recording is whole, and says that it had no filter
    derived: dict[Any, Any] = field(default_factory=dict, repr=False)  # results, by function and arguments

    def evidence(self, point: int, frame: int) -> Evidence:
        """Evidence for a frame number at a point index."""
        captured_at = self.points[point]
        if numbers := self.series.get(captured_at.file):
            return Evidence(captured_at.name, *numbers.place(int(frame)))
        return Evidence(captured_at.name, captured_at.file, int(frame))

    def flow_evidence(self, row: int, frame: int) -> Evidence:
        """Evidence for a frame of the flow in row `row` of the flow table."""
        return self.evidence(int(self.flows[row, schema.FLOW_POINT]), frame)

    def first_frame(self, row: int) -> Evidence:
        """Evidence for the first frame of the flow in row `row` of the flow table."""
        return self.flow_evidence(row, int(self.flows[row, schema.FLOW_FIRST_FRAME]))

    def first_frames(self, rows: Iterable[int]) -> list[Evidence]:
        """As `first_frame`, for each of these rows."""
        wanted = np.fromiter(rows, dtype=np.int64)
        points, frames = (
            self.flows[wanted, column].tolist() for column in (schema.FLOW_POINT, schema.FLOW_FIRST_FRAME)
        )
        return [self.evidence(point, frame) for point, frame in zip(points, frames, strict=True)]


def with_name(context: Context, address: str) -> str:
    """`172.17.0.2 (web)`; the address alone where it has no name."""
    name = context.names.get(address)
    return f"{address} ({name})" if name else address
