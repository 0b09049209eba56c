"""What flow expressions add to pcap-filter(7), and their errors."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capnet.analysis.core.schema import FLOW_POINT, FLOW_PROTO, FLOW_VIA
from capnet.analysis.filters.parser import parse
from capnet.errors import UsageError
from tests.analysis.filters.frames import BRIDGE, OVERLAY, chosen, studied


def test_flow_matches_by_words_of_different_hops() -> None:
    """The published port 8080 and the container behind it are never in one frame."""
    assert chosen("host 172.17.0.2 and port 8080", BRIDGE) == chosen("tcp port 8080", BRIDGE)
    assert len(chosen("host 172.17.0.2 and port 8080", BRIDGE)) > 50
    assert not chosen("host 172.17.0.3 and port 8080", BRIDGE)


def test_not_is_the_complement_over_all_hops() -> None:
    everything = chosen("ip or ip6", BRIDGE)
    assert chosen("not host 172.17.0.2", BRIDGE) == everything - chosen("host 172.17.0.2", BRIDGE)


def test_vni_chooses_inner_and_outer_flows() -> None:
    inside = chosen("vni 4097", OVERLAY)
    assert inside
    assert inside >= chosen("vni 4097 and icmp", OVERLAY) != set()
    assert not chosen("vni 4095", OVERLAY)
    assert chosen("vxlan 4097", OVERLAY) == inside
    rows = parse("vni 4097 and not udp port 4789").flows(studied(OVERLAY).context)
    flows = studied(OVERLAY).context.flows[rows]
    assert (flows[:, FLOW_VIA] > 0).any()


def test_point_and_echo_id_choose_flows() -> None:
    rows = parse("point A/ens33").flows(studied(BRIDGE).context)
    assert set(studied(BRIDGE).context.flows[rows][:, FLOW_POINT]) > {5}  # with every hop of those flows
    rows = parse("id 14").flows(studied(BRIDGE).context)
    assert set(studied(BRIDGE).context.flows[rows][:, FLOW_PROTO]) == {1}


@pytest.mark.parametrize(
    ("expected", "equivalent"),
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
def test_display_filter_means_the_same_expression(expected: str, equivalent: str) -> None:
    assert chosen(expected, BRIDGE) == chosen(equivalent, BRIDGE)


@pytest.mark.parametrize(
    ("text", "message"),
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
        ("host wbe", "host ▶wbe◀: no station has this name; known: web, "),
        ("tpc", "▶tpc◀: no station has this name; the word tcp? known: "),
        ("point A/ens34", "names no point; there are A/web/eth0, "),
    ],
)
def test_mistake_is_one_error_that_points_at_it(text: str, message: str) -> None:
    with pytest.raises(UsageError) as error:
        parse(text).flows(studied(BRIDGE).context)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


WORDS = st.sampled_from(
    "host net port portrange src dst and or not tcp udp icmp vni ether proto ip6 ( ) ! && || 80 7000-7001 172.17.0.2 "
    '172.17 fd00::/8 web A/web 02:00:c0:a8:6f:80 ip.addr == != in { } , tcp.port point id " & \x1b[2J'.split()
)


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.lists(WORDS, max_size=8).map(" ".join), st.text(max_size=20)))
def test_any_text_is_an_expression_or_one_error(text: str) -> None:
    try:
        rows = parse(text).flows(studied(BRIDGE).context)
    except UsageError as error:
        assert "flow expression" in str(error)
    else:
        assert rows.dtype == bool
        assert len(rows) == len(studied(BRIDGE).context.flows)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("(" * 5000, "is inside of 100 others"),
        ("not " * 3000 + "tcp", "is inside of 100 others"),
        ("(" * 101 + "tcp" + ")" * 101, "is inside of 100 others"),
        ("tcp" + " or udp" * 5000, "10,001 words"),
    ],
)
def test_expression_beyond_a_limit_is_one_error(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse(text).flows(studied(BRIDGE).context)


def test_long_expression_needs_no_deep_stack() -> None:
    context = studied(BRIDGE).context
    many = "host 172.17.0.2" + " or host 172.17.0.2" * 3000
    assert (parse(many).flows(context) == parse("host 172.17.0.2").flows(context)).all()
    listed = "ip.addr in {172.17.0.2" + ", 172.17.0.2" * 4000 + "}"
    assert (parse(listed).flows(context) == parse("host 172.17.0.2").flows(context)).all()
    nested = "(" * 50 + "not " * 50 + "tcp" + ")" * 50
    assert (parse(nested).flows(context) == parse("tcp").flows(context)).all()
