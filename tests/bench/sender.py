"""Sends equal frames at a given rate: sendmmsg(2) on a packet socket, for kernels without pktgen.

    python -m tests.bench.sender INTERFACE FRAMES_PER_SECOND FRAMES OCTETS

Prints the frames that were sent and the seconds that it took. The EtherType is 0x88b5 (IEEE 802, experimental), so that
no firewall looks at the frames; nothing answers them.
"""

from __future__ import annotations

import ctypes
import errno
import os
import socket
import sys
import time

BATCH = 64  # frames a system call
PAUSE_S = 0.0005
DESTINATION, SOURCE, ETHERTYPE = "020000000002", "020000000001", "88b5"


class _IoVector(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("size", ctypes.c_size_t))


class _Header(ctypes.Structure):
    """struct msghdr and the length of struct mmsghdr (recvmmsg(2))."""

    _fields_ = (
        ("name", ctypes.c_void_p), ("name_size", ctypes.c_uint32),
        ("vectors", ctypes.POINTER(_IoVector)), ("count", ctypes.c_size_t),
        ("control", ctypes.c_void_p), ("control_size", ctypes.c_size_t), ("flags", ctypes.c_int),
        ("sent", ctypes.c_uint),
    )  # fmt: skip


def send(interface: str, rate: float, frames: int, octets: int) -> float:
    """Sends, and returns the seconds that it took."""
    libc = ctypes.CDLL(None, use_errno=True)
    frame = bytes.fromhex(DESTINATION + SOURCE + ETHERTYPE).ljust(octets, b"\0")
    memory = ctypes.create_string_buffer(frame, octets)
    vector = _IoVector(ctypes.addressof(memory), octets)
    messages = (_Header * BATCH)()
    for message in messages:
        message.vectors, message.count = ctypes.pointer(vector), 1
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as sender:
        sender.bind((interface, 0))
        sent, began = 0, time.perf_counter()
        while sent < frames:
            due = min(frames, int((time.perf_counter() - began) * rate))
            while sent < due:
                count = libc.sendmmsg(sender.fileno(), messages, min(BATCH, due - sent), 0)
                if count < 0 and ctypes.get_errno() != errno.ENOBUFS:
                    raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), interface)
                sent += max(count, 0)
            time.sleep(PAUSE_S)  # the rate is a matter of time
        return time.perf_counter() - began


if __name__ == "__main__":
    print(sys.argv[3], send(sys.argv[1], float(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])))
