"""Flow rows: which addresses are private. Truth: `ipaddress` and the networks of RFC 1918 and RFC 4193."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_network

from hypothesis import example, given
from hypothesis import strategies as st

from capnet.analysis.core.flow_rows import is_private

PRIVATE_V4 = [ip_network(text) for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")]
PRIVATE_V6 = ip_network("fc00::/7")
NEAR_BORDERS = st.sampled_from([9, 10, 11, 172, 192, 193]), st.sampled_from([0, 15, 16, 31, 32, 167, 168, 169, 255])


@given(
    st.one_of(st.integers(0, 2**32 - 1), st.builds(lambda first, second: first << 24 | second << 16 | 7, *NEAR_BORDERS))
)
def test_ipv4_address_is_private_as_rfc_1918_says(value: int) -> None:
    address = IPv4Address(value)
    assert is_private(str(address)) == any(address in network for network in PRIVATE_V4)


@given(st.integers(0, 2**128 - 1))
@example(int(IPv6Address("fc00::")))
@example(int(IPv6Address("fdff::1")))
@example(int(IPv6Address("fe00::")))
@example(int(IPv6Address("::ffff:10.0.0.1")))
def test_ipv6_address_is_private_as_rfc_4193_says(value: int) -> None:
    address = IPv6Address(value)
    assert is_private(str(address)) == (address in PRIVATE_V6)
