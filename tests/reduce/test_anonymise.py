"""Frames without what identifies: decoded as before but for addresses, with nothing of the original in their bytes."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

import pytest

from capnet.analysis.engine import study
from capnet.reduce.anonymise.frames import Anonymiser
from capnet.reduce.anonymous import anonymous
from capnet.reduce.frames import Chosen, Loaded, capture_of, load
from capnet.wire.addresses import address_text
from capnet.wire.capture import open_capture
from capnet.wire.fields import NAMES

ROOT = Path(__file__).resolve().parents[2]
CAPTURES = [
    "pcaps/overlay-service.pcapng", "pcaps/bridge.pcapng", "pcaps/faults/pmtu-icmp-lost.pcapng",
    "pcaps/faults/firewall-rejected-ipv6.pcapng", "pcaps/faults/fragments-lost.pcapng",
    "pcaps/faults/dns-truncated-no-tcp.pcapng", "tests/made/arp.pcap", "tests/made/icmpv6.pcap",
    "tests/made/ipv6_extensions.pcap", "tests/made/ipv4_options.pcap", "tests/made/sctp.pcap",
    "tests/made/nflog_be.pcap", "tests/made/sll2.pcap", "tests/made/vlan.pcap", "tests/made/geneve.pcap",
    "tests/made/erspan.pcap", "tests/made/esp_nat.pcap", "tests/made/snaplen.pcap", "tests/made/tcp_options.pcap",
    "tests/made/gtpu.pcap",
    "tests/made/ppp.pcap", "tests/made/wireguard.pcap",
]  # fmt: skip
# Columns of a row that addresses are in, or that hash what was replaced.
OF_ADDRESSES = {"smac", "dmac", "src_hi", "src_lo", "dst_hi", "dst_lo", "arp_sha", "arp_tha", "digest"}
OF_THE_FILE = {"frame", "point"}
KEPT = {name for name in NAMES if name not in OF_ADDRESSES | OF_THE_FILE}


def made_anonymous(name: str) -> tuple[Loaded, Loaded, list[str], str]:
    """The frames, the new ones, what was replaced, and the text of the new topology."""
    result = study(ROOT / name)
    loaded = load(result, Chosen(), 0)
    new, topology, _, replaced = anonymous(loaded, result.context.topology)
    return loaded, new, replaced, topology.to_json() if topology else ""


def written(loaded: Loaded) -> bytes:
    return capture_of(loaded.frames, dict(enumerate(loaded.points)))


def rows_of(capture: bytes) -> Iterator[dict[str, int]]:
    with open_capture(io.BytesIO(capture)) as reader:
        for block in reader.blocks():
            yield from block.dicts()


@pytest.mark.by_turns
@pytest.mark.parametrize("name", CAPTURES)
def test_frames_decode_as_before_but_for_addresses(name):
    old, new, replaced, topology = made_anonymous(name)
    before = [row for frame in old.frames for row in frame.rows]
    after = list(rows_of(written(new)))
    assert len(after) == len(before)
    for row, other in zip(before, after, strict=True):
        assert {key: row[key] for key in KEPT} == {key: other[key] for key in KEPT}
    for text in replaced:
        assert is_absent(text, written(new) + topology.encode()), text
    ends = {address_text(row[f"{end}_hi"], row[f"{end}_lo"]) for row in after for end in ("src", "dst")}
    assert not ends & set(replaced)


def is_absent(text: str, content: bytes) -> bool:
    """Whether an address, as octets or text, or a name of four letters or more is nowhere in the content."""
    if text.count(":") == 5 and len(text) == 17:
        return bytes.fromhex(text.replace(":", "")) not in content and text.encode() not in content
    try:
        packed = ip_address(text).packed
        # Two zeros are in any file, as parts of numbers: such an address is looked for in fields, by its rows.
        is_common = len(packed) == 4 and (b"\0\0" in packed or packed.endswith(b"\0"))
        return (is_common or packed not in content) and f'"{text}'.encode() not in content
    except ValueError:
        return len(text) < 4 or text.encode() not in content


def test_payload_and_dns_names_are_gone():
    """DNS names and HTTP of a golden, the one in lower case and the other as it was sent."""
    old, new, replaced, _ = made_anonymous("pcaps/faults/dns-truncated-no-tcp.pcapng")
    assert b"HTTP/1.1" not in written(made_anonymous("pcaps/bridge.pcapng")[1])
    names = [word for word in replaced if word.isalpha() and len(word) >= 4]
    assert names
    assert any(names[0].encode() in frame.raw for frame in old.frames)
    assert not any(name.encode() in frame.raw for frame in new.frames for name in names)


def test_tshark_sees_nothing_new_malformed_or_wrong(tmp_path):
    """Unfilled, right and absent checksums, in tunnels and quoted by ICMP: each is what it was."""
    if shutil.which("tshark") is None:
        pytest.skip("tshark is not installed")
    pairs = [made_anonymous(f"pcaps/{name}.pcapng") for name in ("overlay-two", "faults/firewall-rejected-ipv6")]
    for index in (0, 1):
        (tmp_path / str(index)).write_bytes(written(joined([pair[index] for pair in pairs])))
    assert verdicts(tmp_path / "0") == verdicts(tmp_path / "1")


def joined(captures: list[Loaded]) -> Loaded:
    """Several captures as one, with the points of all."""
    frames, points = [], []
    for each in captures:
        frames += [frame._replace(point=frame.point + len(points)) for frame in each.frames]
        points += each.points
    return Loaded(frames, points, {})


def verdicts(path: Path) -> list[str]:
    columns = ["_ws.malformed", *(f"{each}.checksum.status" for each in ("ip", "tcp", "udp", "icmp", "icmpv6"))]
    checks = [f"{each}.check_checksum:TRUE" for each in ("ip", "tcp", "udp")]
    command = ["tshark", "-r", str(path), "-n", "-T", "fields"]
    command += [word for each in checks for word in ("-o", each)] + [word for each in columns for word in ("-e", each)]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert lines
    return lines


def test_frame_that_is_not_decoded_keeps_nothing_but_its_ends():
    anonymiser = Anonymiser()
    secret = b"host db01.example.com, password hunter2" + bytes(5)
    raw = bytes.fromhex("0180c200000e 0250569abcde 88cc") + secret
    row = dict.fromkeys(NAMES, -1) | {"layers": 1, "start": 0, "caplen": len(raw), "depth": 0}
    anonymiser.frame(raw, [row])
    anonymiser.assign()
    new = anonymiser.frame(raw, [row])
    assert len(new) == len(raw)
    assert new[:6] == raw[:6]
    assert new[12:14] == raw[12:14]
    assert new[6:12] != raw[6:12]
    assert not any(word in new for word in (b"db01", b"example", b"hunter2"))
    assert new[-5:] == bytes(5)


def test_topology_keeps_its_shape_and_no_name():
    old = json.loads((ROOT / "pcaps/overlay-service.topology.json").read_text())
    new = json.loads(made_anonymous("pcaps/overlay-service.pcapng")[3])
    for kind in ("hosts", "networks", "containers", "points"):
        assert len(new[kind]) == len(old[kind]), kind
    assert [each["driver"] for each in new["networks"]] == [each["driver"] for each in old["networks"]]
    assert [each["role"] for each in new["points"]] == [each["role"] for each in old["points"]]
    text = json.dumps(new)
    for container in old["containers"]:
        assert len(container["name"]) < 4 or container["name"] not in text
        assert not container["id"] or container["id"] not in text
        assert not container["image"] or container["image"] not in text
