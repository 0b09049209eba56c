"""One frame of a capture as a packet of other libraries: scapy's, and pyshark's, which is what tshark says of it."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from capnet.errors import EnvironmentLacks, UnreadableInput

if TYPE_CHECKING:
    from scapy.packet import Packet


_PACKET, _PACKET_END = b"<packet>", b"</packet>"  # of PDML, tshark's XML


def scapy_packet(path: str | PathLike[str], number: int) -> Packet:
    """The frame as scapy dissects it, with its capture time. Raises UnreadableInput if there is no such frame."""
    _must_be_file(path)
    import scapy.layers.all  # noqa: F401  registers its dissectors
    from scapy.config import conf
    from scapy.packet import Raw

    from capnet.wire.capture import open_capture

    with open_capture(path) as capture:
        for record in capture.records():
            if record.number == number:
                linktype = capture.interfaces[record.interface].linktype
                packet = conf.l2types.num2layer.get(linktype, Raw)(bytes(record.data))
                packet.time, packet.wirelen = record.time / 1e9, record.wirelen
                return packet
    raise UnreadableInput(f"{path}: has no frame {number}")


def pyshark_packet(path: str | PathLike[str], number: int) -> Any:
    """The frame as tshark dissects it. Raises EnvironmentLacks without tshark, UnreadableInput if it shows no frame."""
    _must_be_file(path)
    if not Path(path).exists():
        raise UnreadableInput(f"{path}: there is no such file")
    return _dissected(str(path), number)


def pyshark_packet_alone(capture: bytes) -> Any:
    """The first frame of a capture in memory, as tshark dissects it; raises as `pyshark_packet`."""
    return _dissected("-", 1, capture)


def _must_be_file(path: str | PathLike[str]) -> None:
    if str(path) == "-":
        raise UnreadableInput("the capture was a stream, whose frames cannot be read again; save it to a file first")


def _dissected(source: str, number: int, capture: bytes = b"") -> Any:
    """A packet that pyshark makes of tshark's XML. Its own reader kills tshark, and waits a second for its end."""
    import subprocess

    from pyshark.tshark.output_parser.tshark_xml import packet_from_xml_packet
    from pyshark.tshark.tshark import TSharkNotFoundException, get_process_path

    try:
        program = get_process_path()
    except TSharkNotFoundException:
        raise EnvironmentLacks(
            "tshark is not installed; it comes with Wireshark (Debian: apt install tshark)"
        ) from None
    # -c: read no further
    words = [program, "-n", "-T", "pdml", "-Y", f"frame.number=={number}", "-c", str(number), "-r", source]
    done = subprocess.run(words, input=capture, capture_output=True)
    begin, end = done.stdout.find(_PACKET), done.stdout.find(_PACKET_END)
    if begin < 0 or end < 0:
        reason = done.stderr.decode(errors="replace").strip().splitlines() or ["it has no such frame"]
        raise UnreadableInput(f"tshark could not show this frame: {reason[-1]}")
    return packet_from_xml_packet(done.stdout[begin : end + len(_PACKET_END)])
