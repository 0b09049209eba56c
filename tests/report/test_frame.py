"""One frame as text. The captures are made by tests/made, so what is in them is known by construction."""

from __future__ import annotations

from pathlib import Path

import pytest

from capnet.report.drawing import frame
from capnet.wire.capture import open_capture

MADE = Path(__file__).resolve().parents[1] / "made"


def show(name: str, number: int = 1, **names: str) -> str:
    with open_capture(MADE / name) as capture:
        rows = [row for block in capture.blocks() for row in block.dicts() if row["frame"] == number]
    return frame.render(rows, name, "here", names=names)


def test_frame_in_tunnel_is_indented():
    assert show("vxlan.pcap") == (
        "Frame 1 of vxlan.pcap · here · 2023-11-14 22:13:20.000000000 UTC · 116 bytes\n"
        "\n"
        "  Ethernet  02:42:c0:a8:6f:80 → 02:42:c0:a8:6f:81, type IPv4 (0x0800)\n"
        "  IPv4      192.168.111.128 → 192.168.111.129, TTL 64, id 0x0f0f, protocol udp, 102 bytes\n"
        "  UDP       43210 → 4789\n"
        "  VXLAN     VNI 0\n"
        "    Ethernet  02:42:ac:11:00:02 → 02:42:ac:11:00:03, type IPv4 (0x0800)\n"
        "    IPv4      10.0.1.2 → 10.0.1.3, TTL 64, id 0x0007, don't fragment, protocol tcp, 52 bytes\n"
        "    TCP       40000 → 80, SYN, seq 1, window 8192, timestamps 5 6\n"
    )


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("arp.pcap", "ARP       request, sender 172.17.0.2 at 02:42:ac:11:00:02, target 172.17.0.3"),
        ("vlan.pcap", "VLAN      10\n"),
        ("icmpv6.pcap", "ICMPv6    echo request (128/0), id 4660, seq 1\n"),
        ("icmpv6.pcap", "IPv6      fd00::2 → fd00::3, hop limit 64, protocol icmpv6, 104 bytes\n"),
        ("ipv4_fragments.pcap", "fragment at 0, more follow"),
        ("sll2.pcap", "cooked v2 to us, from 02:42:ac:11:00:02, type IPv4 (0x0800)\n"),
        ("snaplen.pcap", "· 54 bytes, 40 captured\n"),
        ("snaplen.pcap", "TCP       40000 → 80\n  stopped   cut inside a header; the rest is not decoded\n"),
        ("llc.pcap", "802.3 length 38\n  stopped   802.3 with LLC"),
        ("raw.pcap", "RAW       no link-layer addresses\n  IPv4 "),
        ("vlan.pcap", "payload   6 bytes, from byte 46 of the frame\n"),
    ],
)
def test_frame_layers_are_a_line_each(name, says):
    assert says in show(name)


def test_frame_names_stand_behind_addresses():
    assert "172.17.0.2 (web) → 172.17.0.3" in show("tcp.pcap", **{"172.17.0.2": "web"})


def test_frame_makes_hostile_names_visible():
    assert "(w\\x1b[2J)" in show("tcp.pcap", **{"172.17.0.2": "w\x1b[2J"})


def test_frame_of_every_made_capture_is_written():
    """Cut, malformed and unknown frames too: what the row does not have is not shown."""
    for path in sorted(MADE.glob("*.pcap*")):
        with open_capture(path) as capture:
            for block in capture.blocks():
                frames: dict[int, list] = {}
                for row in block.dicts():
                    frames.setdefault(row["frame"], []).append(row)
                for rows in frames.values():
                    text = frame.render(rows, path.name, "here")
                    assert " -1" not in text, f"{path.name} {text}"


def test_hex_dump_has_offset_bytes_and_ascii():
    assert frame.hex_dump(bytes(range(0x3D, 0x4F))) == (
        "  0000  3d 3e 3f 40 41 42 43 44  45 46 47 48 49 4a 4b 4c  =>?@ABCDEFGHIJKL\n"
        "  0010  4d 4e                                             MN\n"
    )
    assert frame.hex_dump(bytes(300)).endswith("  … and 44 more bytes\n")
