"""Flow expressions: what they choose is what pcap-filter chooses, and every mistake is one clear error.

Truth: tcpdump, on files with one point, where a flow has one form; the recorded captures' topologies for names.
"""

from __future__ import annotations

import shutil
import struct
import subprocess
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capnet.analysis.core.schema import FLOW_POINT, FLOW_PROTO, FLOW_VIA
from capnet.analysis.engine import Options, Study, study
from capnet.analysis.filters.names import addresses_of
from capnet.analysis.filters.parser import at_host, parse
from capnet.analysis.trace.packet_ids import second_pass
from capnet.errors import UsageError
from capnet.topology import Container, Topology
from capnet.wire.capture import open_capture

ROOT = Path(__file__).resolve().parents[3]
BRIDGE, OVERLAY = ROOT / "pcaps" / "bridge.pcapng", ROOT / "pcaps" / "overlay.pcapng"
needs_tcpdump = pytest.mark.skipif(shutil.which("tcpdump") is None, reason="tcpdump is not installed")


@cache
def studied(path: Path) -> Study:
    return study([path], options=Options(compiled=False))


def chosen(text: str, path: Path) -> set[int]:
    """Numbers of the frames whose flow an expression chooses."""
    found = studied(path)
    rows = parse(text).flows(found.context)
    frames = set()
    for named in second_pass(found):
        block = named.block
        frames |= {
            int(block["frame"][i]) for i in range(len(block)) if named.flow_rows[i] >= 0 and rows[named.flow_rows[i]]
        }
    return frames


# -- against pcap-filter --------------------------------------------------------------------------
def point(folder: Path, name: str) -> Path:
    """The IP packets of one point of the bridge capture as a pcap file, those of a swarm or of no flow left out."""
    out = folder / f"{name.replace('/', '-')}.pcap"
    if not out.exists():
        data = struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 262144, 1)
        with open_capture(BRIDGE, compiled=False) as capture:
            for each in capture.records():
                if capture.interfaces[each.interface].name == name and each.data[12:14] in (b"\x08\x00", b"\x86\xdd"):
                    data += struct.pack("<IIII", *divmod(each.time, 10**9), each.caplen, each.wirelen) + each.data
        out.write_bytes(data)
    return out


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("points")


PCAP_FILTERS = [
    "host 192.168.111.129", "src host 192.168.111.129", "dst host 192.168.111.129", "src 192.168.111.129",
    "src or dst host 192.168.111.128", "src and dst host 192.168.111.128", "port 8080", "dst port 8080",
    "src port 8080", "tcp", "udp", "icmp", "ip", "ip6", "ip proto 17", "tcp port 7000", "udp port 53",
    "tcp dst port 8080", "udp src port 53", "portrange 7000-9000", "net 192.168.111.0/24", "net 192.168.0.0/16",
    "net 192.168", "src net 192.168.111.128/31", "net 192.168.111.0 mask 255.255.255.0",
    "not tcp", "! tcp", "tcp or udp", "tcp || icmp", "host 192.168.111.129 and port 8080",
    "host 192.168.111.129 && tcp port 7000", "not (tcp or udp)", "port 53 or 7000", "tcp and not port 8080",
    # and, or: equal precedence, left to right
    "icmp or tcp and port 8080", "tcp and port 8080 or icmp", "tcp or udp and icmp or udp",
    "ether host 02:00:c0:a8:6f:80", "ether src 02:00:c0:a8:6f:80", "ether dst host 02:00:c0:a8:6f:80",
    "port 8080 and src 192.168.111.129 or 192.168.111.128",
]  # fmt: skip


@needs_tcpdump
@pytest.mark.parametrize("text", PCAP_FILTERS)
def test_as_pcap_filter_chooses(text, folder):
    path = point(folder, "A/ens33")
    done = subprocess.run(
        ["tcpdump", "-r", path, "-w", "-", "--nano", text], capture_output=True, timeout=30, check=True
    )
    (folder / "chosen.pcap").write_bytes(done.stdout)
    with open_capture(folder / "chosen.pcap", compiled=False) as capture:
        theirs = [(each.time, bytes(each.data)) for each in capture.records()]
    numbers = chosen(text, path)
    with open_capture(path, compiled=False) as capture:
        ours = [(each.time, bytes(each.data)) for each in capture.records() if each.number in numbers]
    assert ours == theirs


def test_the_list_above_can_fail(folder):
    """Neither all nor nothing: most of these choose a part."""
    path = point(folder, "A/ens33")
    whole = len(chosen("ip or ip6", path))
    sizes = [len(chosen(text, path)) for text in PCAP_FILTERS]
    assert sum(0 < each < whole for each in sizes) > len(sizes) * 0.7


# -- what pcap-filter does not have ------------------------------------------------------------------
def test_a_word_holds_when_it_holds_at_any_hop():
    """The published port 8080 and the container behind it are never in one frame."""
    assert chosen("host 172.17.0.2 and port 8080", BRIDGE) == chosen("tcp port 8080", BRIDGE)
    assert len(chosen("host 172.17.0.2 and port 8080", BRIDGE)) > 50
    assert not chosen("host 172.17.0.3 and port 8080", BRIDGE)


def test_not_is_about_all_hops():
    everything = chosen("ip or ip6", BRIDGE)
    assert chosen("not host 172.17.0.2", BRIDGE) == everything - chosen("host 172.17.0.2", BRIDGE)


def test_names_are_hosts():
    assert chosen("host web", BRIDGE) == chosen("host 172.17.0.2", BRIDGE)
    assert chosen("web", BRIDGE) == chosen("host A/web", BRIDGE) == chosen('host "web"', BRIDGE)
    assert chosen("src web or bbox", BRIDGE) == chosen("src 172.17.0.2 or src 172.17.0.3", BRIDGE)


def test_an_address_that_two_hosts_own_is_meant_at_its_own_host():
    """172.17.0.1 is docker0's on both hosts; as A/docker0 it means A's."""
    assert ("A", "172.17.0.1") in addresses_of(studied(BRIDGE).context, "A/docker0")


def test_vni_and_tunnels():
    inside = chosen("vni 4097", OVERLAY)
    assert inside
    assert inside >= chosen("vni 4097 and icmp", OVERLAY) != set()
    assert not chosen("vni 4095", OVERLAY)
    assert chosen("vxlan 4097", OVERLAY) == inside
    rows = parse("vni 4097 and not udp port 4789").flows(studied(OVERLAY).context)
    flows = studied(OVERLAY).context.flows[rows]
    assert (flows[:, FLOW_VIA] > 0).any()


def test_points_and_ids():
    rows = parse("point A/ens33").flows(studied(BRIDGE).context)
    assert set(studied(BRIDGE).context.flows[rows][:, FLOW_POINT]) > {5}  # with every hop of those flows
    rows = parse("id 14").flows(studied(BRIDGE).context)
    assert set(studied(BRIDGE).context.flows[rows][:, FLOW_PROTO]) == {1}


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("ip.addr == 172.17.0.2", "host 172.17.0.2"),
        ("ip.src == 172.17.0.2 && tcp.port == 80", "src 172.17.0.2 and tcp port 80"),
        ("ip.addr==172.17.0.2&&tcp.dstport==80", "host 172.17.0.2 and tcp dst port 80"),
        ("tcp.port in {80, 7000..7001}", "tcp and (port 80 or portrange 7000-7001)"),
        ("ip.addr != 172.17.0.2", "not host 172.17.0.2"),
        ("ip.addr == 172.17.0.0/16", "net 172.17.0.0/16"),
        ("icmp.ident == 14", "id 14"),
        ("eth.addr == 02:00:c0:a8:6f:80", "ether host 02:00:c0:a8:6f:80"),
        ("!(tcp or udp)", "not (tcp or udp)"),
    ],
)
def test_wiresharks_words(theirs, ours):
    assert chosen(theirs, BRIDGE) == chosen(ours, BRIDGE)


# -- errors ---------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is empty"),
        ("host", "character 5: host▶◀: expected a value after host"),
        ("hots web", '▶hots◀ web: "hots" is no word of flow expressions; host?'),
        ("tcp prot 80", 'tcp ▶prot◀ 80: expected "and" or "or" before it'),
        ("host 172.17.0", 'host ▶172.17.0◀: "172.17.0" is no address; write net for a network'),
        ("host 172.17.0.300", "its numbers go to 255"),
        ("(tcp", '▶(◀tcp: "(" is never closed'),
        ("tcp)", 'tcp▶)◀: ")" closes what was never opened'),
        ("and tcp", '▶and◀ tcp: "and" has nothing before it to combine with'),
        ("tcp and", "tcp and▶◀: expected host, port, a protocol or the like"),
        ("port 99999", '"99999" is not a port number (0 to 65535)'),
        ("port http", '"http" is not a port number'),
        ("port 80-90", "is a range; write portrange"),
        ("portrange 90-80", "the first port is above the last"),
        ("vni 16777216", "is not a VNI (0 to 16777215)"),
        ("net 300.1", "is no network"),
        ("ether host zz", "is no MAC address"),
        ("tcp & udp", 'tcp ▶&◀ udp: "&" is half an operator; write &&'),
        ('host "web', "is never closed"),
        ("tcp.port in 80", "expected { after in"),
        ("host wbe", "host ▶wbe◀: nobody has this name; known: web, "),
        ("tpc", "▶tpc◀: nobody has this name; the word tcp? known: "),
        ("point A/ens34", "there is no such point; there are A/web/eth0, "),
    ],
)
def test_mistakes(text, says):
    with pytest.raises(UsageError) as error:
        parse(text).flows(studied(BRIDGE).context)
    assert says in str(error.value)
    assert "\n" not in str(error.value)


WORDS = st.sampled_from(
    "host net port portrange src dst and or not tcp udp icmp vni ether proto ip6 ( ) ! && || 80 7000-7001 172.17.0.2 "
    '172.17 fd00::/8 web A/web 02:00:c0:a8:6f:80 ip.addr == != in { } , tcp.port point id " & \x1b[2J'.split()
)


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.lists(WORDS, max_size=8).map(" ".join), st.text(max_size=20)))
def test_any_text_is_an_expression_or_one_error(text):
    try:
        rows = parse(text).flows(studied(BRIDGE).context)
    except UsageError as error:
        assert "flow expression" in str(error)
    else:
        assert rows.dtype == bool
        assert len(rows) == len(studied(BRIDGE).context.flows)


def test_names_may_be_anything():
    with pytest.raises(UsageError):
        at_host('a" or "b').flows(studied(BRIDGE).context)
    assert at_host("web").flows(studied(BRIDGE).context).any()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("(" * 5000, "is inside of 100 others"),
        ("not " * 3000 + "tcp", "is inside of 100 others"),
        ("(" * 101 + "tcp" + ")" * 101, "is inside of 100 others"),
        ("tcp" + " or udp" * 5000, "10,001 words"),
    ],
)
def test_more_words_than_anyone_writes_are_one_error(text, says):
    with pytest.raises(UsageError, match=says):
        parse(text).flows(studied(BRIDGE).context)


def test_as_many_words_as_are_understood_need_no_deep_stack():
    context = studied(BRIDGE).context
    many = "host 172.17.0.2" + " or host 172.17.0.2" * 3000
    assert (parse(many).flows(context) == parse("host 172.17.0.2").flows(context)).all()
    listed = "ip.addr in {172.17.0.2" + ", 172.17.0.2" * 4000 + "}"
    assert (parse(listed).flows(context) == parse("host 172.17.0.2").flows(context)).all()
    nested = "(" * 50 + "not " * 50 + "tcp" + ")" * 50
    assert (parse(nested).flows(context) == parse("tcp").flows(context)).all()


@pytest.mark.parametrize("size", [2, 1000])
def test_containers_in_each_others_networks_are_no_way_without_end(size):
    """A topology file may say anything: here each is in the network of the next one, the last in that of the first."""
    boxes = [
        Container("A", f"c{n}", "", "", "container", shares_network_with=f"c{(n + 1) % size}") for n in range(size)
    ]
    context = replace(studied(BRIDGE).context, topology=Topology(containers=boxes), names={})
    with pytest.raises(UsageError, match="has no address"):
        parse("host c0").flows(context)
