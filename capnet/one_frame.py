"""One frame of a capture as a packet of other libraries: scapy's, and pyshark's, which is what tshark says of it."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from capnet.errors import EnvironmentLacks, UnreadableInput

if TYPE_CHECKING:
    from scapy.packet import Packet


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
    import asyncio

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return _dissected(path, number)
    # In a notebook a loop runs already, and a thread has one loop: pyshark gets another thread.
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(_dissected, path, number).result()


def _must_be_file(path: str | PathLike[str]) -> None:
    if str(path) == "-":
        raise UnreadableInput("the capture was a stream, whose frames cannot be read again; save it to a file first")


def _dissected(path: str | PathLike[str], number: int) -> Any:
    import asyncio

    import pyshark
    from pyshark.capture.capture import TSharkCrashException
    from pyshark.tshark.tshark import TSharkNotFoundException

    # A loop of our own: the one pyshark would make needs what Python 3.12 deprecated and 3.14 removed.
    loop = asyncio.new_event_loop()
    try:
        capture = pyshark.FileCapture(
            str(path),
            eventloop=loop,
            display_filter=f"frame.number=={number}",
            custom_parameters=["-c", str(number)],  # read no further
        )
        try:
            return capture[0]
        finally:
            capture.close()
    except TSharkNotFoundException:
        raise EnvironmentLacks(
            "tshark is not installed; it comes with Wireshark (Debian: apt install tshark)"
        ) from None
    except (TSharkCrashException, KeyError) as error:
        raise UnreadableInput(f"tshark could not show this frame: {str(error).splitlines()[0]}") from error
    finally:
        loop.close()
