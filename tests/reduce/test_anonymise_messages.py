"""DNS, DHCP and VRRP messages without what identifies, made by scapy."""

from __future__ import annotations

import shutil
import subprocess
from ipaddress import ip_address
from pathlib import Path

import pytest
from scapy.all import BOOTP, DHCP, DNS, DNSQR, DNSRROPT, EDNS0TLV, IP, UDP, EDNS0ClientSubnet, Ether, Raw, wrpcap

from capnet.reduce.anonymise.addresses import Addresses
from capnet.reduce.anonymise.names import NameMap
from capnet.reduce.anonymise.octets import total
from capnet.reduce.anonymise.payload.control import vrrp_message
from capnet.reduce.anonymise.payload.dhcp import dhcp_message
from capnet.reduce.anonymise.payload.dns import dns_message
from capnet.reduce.anonymise.replacements import Replacements

KEY = b"key"
PROHIBITED = b"\0\x12"  # the code of an extended error (RFC 8914)
OPTIONS = [
    EDNS0ClientSubnet(family=1, source_plen=20, address="10.20.48.0"),
    EDNS0ClientSubnet(family=2, source_plen=56, address="2001:678:abc:de00::"),
    EDNS0TLV(optcode=10, optdata=b"COOKIE77"),
    EDNS0TLV(optcode=3, optdata=b"ns7.prod.example"),
    EDNS0TLV(optcode=15, optdata=PROHIBITED + b"blocked by mallory"),
]
QUESTION = bytes(DNS(id=7, qd=DNSQR(qname="shop.example"), ar=DNSRROPT(rclass=1232, rdata=OPTIONS)))


def of_dns(message: bytes) -> bytes:
    addresses, names = Addresses(), NameMap()
    for assign in (addresses.assign, lambda: None):
        new = dns_message(message, addresses, names, KEY)
        assert new is not None
        assign()
        names.assign()
    return new


def test_options_of_dns_are_replaced() -> None:
    new = of_dns(QUESTION)
    assert len(new) == len(QUESTION)
    for text in (b"COOKIE77", b"ns7", b"prod", b"blocked", b"mallory"):
        assert text in QUESTION and text not in new
    assert PROHIBITED in new
    for address, octets in (("10.20.48.0", 3), ("2001:678:abc:de00::", 7)):
        prefix = ip_address(address).packed[:octets]
        assert prefix in QUESTION and prefix not in new


@pytest.mark.skipif(not shutil.which("tshark"), reason="tshark is not installed")
def test_options_of_dns_are_read_as_before(tmp_path: Path) -> None:
    """By tshark: which options, and of which length the prefixes are; beyond them an address is zero (RFC 7871)."""
    fields = ["dns.opt.code", "dns.opt.len", "dns.opt.client.netmask", "_ws.malformed"]
    seen = []
    for message in (QUESTION, of_dns(QUESTION)):
        wrpcap(str(tmp_path / "dns.pcap"), Ether() / IP() / UDP(sport=40000, dport=53) / Raw(message))
        words = ["tshark", "-r", tmp_path / "dns.pcap", "-T", "fields", *(word for f in fields for word in ("-e", f))]
        seen.append(subprocess.run(words, capture_output=True, text=True, check=True).stdout)
    assert seen[0] == seen[1] and seen[0].startswith("8,8,10,3,15\t")
    at = of_dns(QUESTION).index(b"\0\x08\0\x07\0\1\x14\0") + 8
    assert of_dns(QUESTION)[at + 2] & 0x0F == 0


def test_what_stands_behind_the_end_of_dhcp_is_replaced() -> None:
    options = DHCP(options=[("message-type", "discover"), ("hostname", b"mallory"), "end"])
    message = bytes(BOOTP(chaddr=b"\2\0\0\0\0\7") / options) + b"\0\0left over" + bytes(9)
    new = dhcp_message(message, Addresses(), NameMap(), KEY)
    assert new is not None and len(new) == len(message)
    assert b"left over" in message and b"left" not in new
    assert new.endswith(bytes(9))


def test_sum_of_a_password_goes_with_it() -> None:
    """RFC 2338: type 1 is a password of 8 octets; 16 bits of a sum would tell which of a dictionary it is."""
    head = bytes.fromhex("21 07 64 01 01 01 00 00 c0 00 02 09")
    passwords = (b"secret\0\0", b"secret\0\0", b"hunter22")
    new = [
        vrrp_message(head + word, False, Replacements(Addresses(), NameMap(), KEY, frozenset())) for word in passwords
    ]
    tails = [(message or b"")[len(head) :] for message in new]
    assert tails[0] == tails[1] != tails[2] and tails[0].endswith(b"\0\0")
    assert all(total(tail) != total(word) for tail, word in zip(tails, passwords, strict=True))
