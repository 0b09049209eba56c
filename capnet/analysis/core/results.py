"""Facts of a report: keys of `capnet.report/1`, documented by their comments. Times: ns since 1970 UTC; delays: µs."""

from __future__ import annotations

from typing import Any

from capnet.quick_dataclass import fact, field

MAX_EVIDENCE = 10  # frames that one fact names: a reader opens the first few


@fact
class Evidence:
    """A frame to look at."""

    point: str  # where it was captured
    file: str  # the input that has it
    frame: int  # its number in this file, as in Wireshark

    def packet(self) -> Any:
        """The frame as a packet of scapy. The file is read again; raises UnreadableInput."""
        from capnet.one_frame import scapy_packet

        return scapy_packet(self.file, self.frame)

    def dissect(self) -> Any:
        """The frame as a packet of pyshark, which tshark dissects. Raises EnvironmentLacks, UnreadableInput."""
        from capnet.one_frame import pyshark_packet

        return pyshark_packet(self.file, self.frame)


@fact
class Problem:
    """Damage in an input."""

    name: str  # what is wrong: truncated-file, damaged-file, …
    offset: int  # where it is [bytes from the start of the uncompressed file]
    says: str  # what is wrong, in a sentence


@fact
class Input:
    """A file that was analyzed."""

    file: str  # its name as it was given; of an absolute path, the end that tells it from other inputs
    format: str  # format of the file
    compression: str | None  # how it is compressed
    bytes: int  # size on disk; of a stream, what was read [bytes]
    packets: int  # frames captured
    first: int | None  # time of the earliest frame
    last: int | None  # time of the latest frame
    problems: list[Problem] = field(default_factory=list)  # damage; all before it was read


@fact
class Point:
    """A capture point: an interface of an input."""

    name: str  # `host/interface`, `host/container/interface`, or the name of the file
    file: str  # the input; of several that follow each other, as of a ring, the first
    interface: int  # number of the interface in this input, from 0
    linktype: str  # link type as capinfos names it: EN10MB, LINUX_SLL2, …
    packets: int  # frames captured
    bytes: int  # lengths of these frames on the wire [bytes]
    dropped: int | None  # frames that the capture lost; null = not recorded
    role: str  # which kind of interface it is, by the topology or else by its name
    first: int | None = None  # time of its earliest frame
    last: int | None = None  # time of its latest frame
    started: int | None = None  # time from which it listened, if the capture says so and holds all that it recorded
    ended: int | None = None  # time until which it listened, likewise
    host: str | None = None  # host in its name
    container: str | None = None  # container in its name
    device: str | None = None  # name of the interface in its name
    ifindex: int | None = None  # the host's index of the interface, where it was captured at `any`
    named_by: str = "file"  # where its name was read: given, in the interface block, or in the name of the file
    vlans: list[int] = field(default_factory=list)  # outermost VLAN ids of its frames
    last_file: str | None = None  # the last of several inputs that follow each other
    peer: str | None = None  # the point at the other end of its veth pair, by the topology


@fact
class Station:
    """A MAC address, and what speaks through it."""

    mac: str  # the address
    ips: list[str]  # its IP addresses; of a router, those it forwards for
    names: list[str]  # names of these addresses
    points: list[str]  # where it was seen
    packets: int  # frames from and to it
    kind: str  # what it is
    vlan: list[int] = field(default_factory=list)  # VLAN ids of its tagged frames (of most), the outermost first


@fact
class MacVerdict:
    """What a MAC address at a point means."""

    verdict: str  # several addresses behind one MAC, one MAC each, a router's, or two MACs with one address
    macs: list[str]  # the MAC addresses; of `distinct`, the n-th belongs to the n-th address
    ips: list[str]  # the IP addresses; of `distinct`, the n-th belongs to the n-th MAC, and both lists are as long
    point: str  # where
    because: str  # what shows it, in a sentence
    evidence: list[Evidence] = field(default_factory=list)  # frames that show it


@fact
class Delay:
    """Spread of a set of delays."""

    min: float  # shortest [µs]
    median: float  # half are shorter [µs]
    p99: float  # 99 of 100 are shorter [µs]
    max: float  # longest [µs]


@fact
class Side:
    """One form of a translated flow."""

    src: str  # source address
    sport: int | None  # source port
    dst: str  # destination address
    dport: int | None  # destination port
    point: str  # where it was seen in this form
    id: int | None = None  # ICMP echo identifier


@fact
class Nat:
    """A flow whose addresses or ports were rewritten."""

    kind: str  # which end was rewritten: source, destination or both
    proto: str  # protocol
    before: Side  # the flow before the translation
    after: Side  # the flow after it
    port_rewritten: bool  # a port, or the echo identifier, was rewritten as well
    ttl_delta: int  # TTL after minus TTL before
    packets: int  # packets translated
    bytes: int  # lengths of these frames on the wire [bytes]
    reply_seen: bool  # the inverse translation of replies was seen
    latency_us: Delay | None  # time between the two points
    method: str  # how it is known: the same packets at both points, conntrack, or requests and replies
    confidence: float  # how sure this is [0 to 1]
    evidence: list[Evidence] = field(default_factory=list)  # a packet in both forms


@fact
class FlowKey:
    """Addresses and ports of a flow."""

    src: str  # source address
    sport: int | None  # source port
    dst: str  # destination address
    dport: int | None  # destination port


@fact
class Tunnel:
    """A tunnel between two hosts, both directions, at one point."""

    kind: str  # kind of tunnel
    vni: int | None  # its id: VNI, key or other; null where the kind has none
    vteps: list[str]  # addresses of its ends
    port: int | None  # destination UDP port
    point: str  # where it was seen
    frames: int  # outer frames
    bytes: int  # lengths of the outer frames on the wire [bytes]
    inner_bytes: int  # lengths of the frames inside [bytes]
    overhead_percent: float  # share of the outer bytes that is not inside [%]
    source_ports: int  # how many different outer source ports
    inner_macs: list[str]  # MAC addresses inside
    inner_ips: list[str]  # IP addresses inside
    largest_inner_ip: int  # largest IP packet inside [bytes]
    one_way: bool  # only one direction was seen
    encrypted: bool  # what is inside cannot be read
    network: str | None  # name of the Docker network
    evidence: list[Evidence] = field(default_factory=list)  # first frames of both directions
    spis: list[int] = field(default_factory=list)  # of ESP, the SPIs of both directions


@fact
class TunnelRef:
    """The tunnel that a packet is in."""

    kind: str  # kind of tunnel
    vni: int | None  # its id; null where the kind has none


@fact
class Hop:
    """A flow at one point of its path."""

    point: str  # the point
    src: str  # source address here
    sport: int | None  # source port here
    dst: str  # destination address here
    dport: int | None  # destination port here
    smac: str | None  # source MAC of the first packet
    dmac: str | None  # destination MAC of the first packet
    ttl: int | None  # TTL of the first packet
    tunnel: TunnelRef | None  # the tunnel that the flow is in here
    change: list[str]  # what happened since the hop before: bridged, routed, snat, dnat, encapsulated, …
    packets: int  # packets seen here
    bytes: int  # lengths of these frames on the wire [bytes]
    delta_us: Delay | None  # time since the hop before
    lost: int | None  # packets of the hop before that did not arrive while this point listened; null = unknown
    id: int | None = None  # ICMP echo identifier here
    lost_bytes: int | None = None  # of lost packets: of TCP, bytes of its sequence space; else of IP payload [bytes]
    outside: int | None = None  # packets of the hop before, at times when this point did not listen
    vlan: list[int] = field(default_factory=list)  # VLAN ids of the first packet here, the outermost first


@fact
class Answer:
    """What came back to who sent a flow's packets."""

    kind: str  # the other direction, a TCP reset at once or in the session, an ICMP error, another address, or nothing
    point: str  # where it was seen; where nothing came back, the receiver's own interface
    from_: str | None  # address that sent it
    says: str | None  # of an ICMP error, its name; of another direction that is late, after which time it begins
    evidence: list[Evidence] = field(default_factory=list)  # its first frame


@fact
class Path:
    """A flow from point to point."""

    proto: str  # protocol
    flow: FlowKey  # the flow at its first hop
    hops: list[Hop]  # the points it passed, in this order
    ends: str  # `delivered`, `stops-at POINT`, `lost-after POINT`, `answer-stops-at POINT`, `looped` or `unknown`
    evidence: list[Evidence] = field(default_factory=list)  # a frame for each hop
    answers: list[Answer] = field(default_factory=list)  # what came back
    due: str | None = None  # where packets that stop, or the answer, were due next
    reply: bool = False  # the other side opened the connection: `dnat` and `snat` undo translations of its packets


@fact
class Flow:
    """A flow at one point, in one direction."""

    point: str  # where it was seen
    proto: str  # protocol
    src: str  # source address
    sport: int | None  # source port
    dst: str  # destination address
    dport: int | None  # destination port
    depth: int  # how many tunnels it is in
    packets: int  # packets seen
    bytes: int  # lengths of these frames on the wire [bytes]
    first: int  # time of the first packet
    last: int  # time of the last packet
    retransmissions: int  # TCP segments that were sent again
    rtt_us: float | None  # time from SYN to SYN-ACK at this point [µs]
    vni: int | None = None  # id of the tunnel it is in
    id: int | None = None  # ICMP echo identifier
    vlan: list[int] = field(default_factory=list)  # VLAN ids of the first packet, the outermost first


@fact
class Flows:
    """How many flows there are, and the biggest."""

    count: int  # flows at all points
    top: list[Flow]  # those with the most bytes


@fact
class Finding:
    """A judgement: something that a user should know or mend."""

    name: str  # which finding; docs/findings.md has its manual page
    level: str  # how bad it is
    says: str  # what was found, in a sentence
    fix: str | None  # what to do about it, in a sentence
    facts: dict[str, object]  # the numbers and names in the sentences, by keys of this finding's own
    evidence: list[Evidence] = field(default_factory=list)  # frames that show it
    id: str = ""  # name and what it is about: the same for the same fault in another capture
    count: int = 1  # how much it concerns: packets, connections, clients
    verify: str | None = None  # how to check it outside of the capture
    explains: list[str] = field(default_factory=list)  # names of findings that are left out as its symptoms
    explained_by: str | None = None  # id of the finding whose symptom this one is; it is listed for its facts only
    in_baseline: bool | None = None  # whether the report given by --baseline has it too; null without one


@fact
class Coverage:
    """How many frames were decoded to the end."""

    frames: int  # frames captured
    decoded: int  # frames decoded to the end
    undecoded: dict[str, int]  # reason → frames that were not
