"""What is read of IKE, VRRP and BGP. The values of the recordings are tshark's."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from capnet.analysis.core.context import Context
from capnet.analysis.engine import study
from capnet.wire.addresses import address_text
from capnet.wire.protocols import bgp, ike, vrrp

RECORDED = Path(__file__).parents[1] / "analysis/findings/recorded"


def context_of(name: str) -> Context:
    return study(RECORDED / name / "right__eth0.pcap").context


def test_exchanges_of_ike_are_as_tshark_reads_them() -> None:
    """tshark -T fields -e isakmp.ispi -e isakmp.exchangetype -e isakmp.messageid -e isakmp.notify.msgtype"""
    messages = context_of("ike-retried").ike
    assert [(of.exchange, of.number, of.error, of.packets) for of in messages] == [
        (34, 0, 0, 2), (34, 0, 17, 1), (34, 0, 0, 1), (35, 1, 0, 1), (35, 1, 0, 1),
    ]  # fmt: skip
    assert len({of.spi for of in messages}) == 1 and [of.is_begun for of in messages][:3] == [False, False, True]


def test_messages_of_bgp_are_as_tshark_reads_them() -> None:
    """tshark -T fields -e bgp.type -e bgp.open.myas -e bgp.open.holdtime -e bgp.notify.major_error"""
    messages = context_of("bgp-hold-time").bgp
    assert {(of.kind, of.value, of.detail) for of in messages if of.kind == bgp.NOTIFICATION} == {(3, 2, 6)}
    assert {(of.value, of.detail) for of in messages if of.kind == bgp.OPEN and of.dport == 179} == {(64501, 1)}


def test_advertisements_of_vrrp_are_as_tshark_reads_them() -> None:
    """tshark -T fields -e ip.src -e vrrp.virt_rtr_id -e vrrp.prio -e vrrp.adver_int -e vrrp.ip_addr"""
    masters = context_of("vrrp-intervals").vrrp
    assert {(of.source, of.version, of.router, of.priority, of.interval_ms, of.addresses) for of in masters} == {
        ("10.70.1.1", 2, 51, 150, 1000, ("10.70.1.100",)), ("10.70.1.2", 2, 51, 100, 2000, ("10.70.1.100",)),
    }  # fmt: skip


def test_sources_of_messages_are_addresses() -> None:
    sources = {address_text(of.src_hi, of.src_lo) for of in context_of("bgp-healthy").bgp}
    assert sources == {"10.70.1.1", "10.70.1.2"}


def test_advertisement_of_ipv6_is_read() -> None:
    message = struct.pack(">BBBBHH", 0x31, 7, 200, 1, 50, 0) + bytes.fromhex("fd00" + "00" * 13 + "64")
    assert vrrp.advertisement(message, True) == vrrp.Advertisement(3, 7, 200, 500, b"", ("fd00::64",))


IKE = struct.pack(">QQBBBBII", 7, 0, 41, 0x20, 34, 0x20, 0, 36) + struct.pack(">BBHBBH", 0, 0, 8, 0, 0, 14)
VRRP = struct.pack(">BBBBBBH", 0x21, 51, 100, 1, 0, 1, 0) + bytes([10, 0, 0, 1]) + bytes(8)
BGP = b"\xff" * 16 + struct.pack(">HBBB", 21, 3, 6, 2)


@pytest.mark.parametrize("length", range(36))
def test_cut_messages_are_none(length: int) -> None:
    assert ike.ike_message(IKE, False) is not None and ike.ike_message(IKE[:length], False) is None
    assert vrrp.advertisement(VRRP, False) is not None
    assert length >= len(VRRP) or vrrp.advertisement(VRRP[:length], False) is None
    assert len(list(bgp.bgp_messages(BGP))) == 1 and (length >= len(BGP) or not list(bgp.bgp_messages(BGP[:length])))


def test_payloads_that_do_not_go_on_end() -> None:
    """A length of 0 leads to the next payload all the same, and no further than the message."""
    loop = IKE[:28] + struct.pack(">BBH", 41, 0, 0) * 2
    assert ike.ike_message(loop, False) is not None


def test_several_messages_of_one_segment_are_read() -> None:
    kinds = [message.kind for message in bgp.bgp_messages(BGP + b"\xff" * 16 + struct.pack(">HB", 19, 4) + b"rest")]
    assert kinds == [bgp.NOTIFICATION, bgp.KEEPALIVE]
