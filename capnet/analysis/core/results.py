"""The vocabulary of results: the JSON contract (`capnet.report/1`) as Python.

Field names are the contract's keys. Addresses are strings, durations are microseconds, times are integers (ns since
1970 UTC) until a report format prints them, frame numbers are 1-based within their file.
Everything here is plain data: analyzers fill it, report formats read it.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, order=True, slots=True)
class Evidence:
    """A frame anyone can open: number `frame` of `file`, seen at `point`."""

    point: str
    file: str
    frame: int


@dataclass
class Problem:
    """Damage in an input: what, at which byte offset, in words."""

    name: str
    offset: int
    says: str


@dataclass
class Input:
    file: str
    format: str  # pcap | pcapng
    compression: str | None
    bytes: int
    packets: int
    first: int | None  # ns
    last: int | None  # ns
    problems: list[Problem] = field(default_factory=list)


@dataclass
class Point:
    name: str
    file: str
    interface: int
    linktype: str  # LINKTYPE_ name as Wireshark's capinfos prints it: EN10MB, LINUX_SLL2, ...
    packets: int
    bytes: int
    dropped: int | None
    role: str  # container|veth|bridge|parent|underlay|overlay|loopback|unknown
    first: int | None = None  # ns: the span in which this point heard anything
    last: int | None = None


@dataclass
class Model:
    model: str  # none|host|bridge|container|overlay|macvlan|ipvlan-l2|ipvlan-l3
    confidence: float
    because: list[str]
    evidence: list[Evidence] = field(default_factory=list)


@dataclass
class Station:
    mac: str
    ips: list[str]
    names: list[str]
    points: list[str]
    packets: int
    kind: str  # container|bridge|host|router|external|multicast|unknown


@dataclass
class MacVerdict:
    verdict: str  # shared|distinct|router|duplicate-ip
    macs: list[str]
    ips: list[str]
    point: str
    because: str
    evidence: list[Evidence] = field(default_factory=list)


@dataclass(slots=True)
class Delay:
    """Spread of a set of delays, in microseconds."""

    min: float
    median: float
    p99: float
    max: float


@dataclass(slots=True)
class Side:
    """One form of a translated flow, and where it was seen in that form."""

    src: str
    sport: int | None
    dst: str
    dport: int | None
    point: str
    id: int | None = None  # ICMP: the echo identifier; ports are None


@dataclass(slots=True)
class Nat:
    kind: str  # snat|dnat|snat+dnat
    proto: str  # tcp|udp|icmp
    before: Side
    after: Side
    port_rewritten: bool
    ttl_delta: int
    packets: int
    bytes: int
    reply_seen: bool
    latency_us: Delay | None
    method: str  # same-packet|conntrack|reply-pairing
    confidence: float
    evidence: list[Evidence] = field(default_factory=list)


@dataclass(slots=True)
class FlowKey:
    src: str
    sport: int | None
    dst: str
    dport: int | None


@dataclass
class Proxy:
    proto: str
    client_side: FlowKey
    server_side: FlowKey
    because: str
    evidence: list[Evidence] = field(default_factory=list)


@dataclass
class Tunnel:
    kind: str  # vxlan|geneve|gre|ipip|esp
    vni: int | None
    vteps: list[str]
    port: int | None
    point: str
    frames: int
    bytes: int
    inner_bytes: int
    overhead_percent: float
    source_ports: int  # how many different outer source ports
    inner_macs: list[str]
    inner_ips: list[str]
    largest_inner_ip: int
    one_way: bool
    encrypted: bool
    network: str | None
    evidence: list[Evidence] = field(default_factory=list)
    spis: list[int] = field(default_factory=list)  # ESP: the SPIs of both directions; their VNI is None


@dataclass(slots=True)
class TunnelRef:
    kind: str
    vni: int | None


@dataclass(slots=True)
class Hop:
    point: str
    src: str
    sport: int | None
    dst: str
    dport: int | None
    smac: str | None
    dmac: str | None
    ttl: int | None
    tunnel: TunnelRef | None
    change: list[str]  # against the hop before: bridged|routed|snat|dnat|encapsulated|decapsulated|...
    packets: int
    bytes: int
    delta_us: Delay | None  # from the hop before
    lost: int | None  # packets of the hop before that are missing here though this point was listening
    id: int | None = None  # ICMP echo identifier at this hop
    lost_bytes: int | None = None  # of TCP, the octets of its sequence space; else of IP payload
    outside: int | None = None  # packets of the hop before at times when this point was not listening: not lost


@dataclass(slots=True)
class Path:
    proto: str
    flow: FlowKey
    hops: list[Hop]
    ends: str  # delivered | lost-after <point> | unknown
    evidence: list[Evidence] = field(default_factory=list)


@dataclass(slots=True)
class Flow:
    point: str
    proto: str
    src: str
    sport: int | None
    dst: str
    dport: int | None
    depth: int
    packets: int
    bytes: int
    first: int  # ns
    last: int  # ns
    retransmissions: int
    rtt_us: float | None
    vni: int | None = None  # VNI of the tunnel this flow runs in
    id: int | None = None  # ICMP echo identifier


@dataclass
class Flows:
    count: int
    top: list[Flow]


MAX_EVIDENCE = 10  # frames that one finding names; a reader opens the first few


@dataclass
class Finding:
    name: str
    level: str  # error|warning|info
    says: str
    fix: str | None
    facts: dict[str, object]
    evidence: list[Evidence] = field(default_factory=list)


@dataclass
class Coverage:
    frames: int
    decoded: int
    undecoded: dict[str, int]
