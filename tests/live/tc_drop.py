"""A tc filter (eBPF) at an interface that drops packets longer than N octets: python tc_drop.py IFACE N HOOK.

HOOK is ingress or egress of clsact, or xdp, whose program drops all.
Loaded with bpf(2) itself: this kernel may have no other classifier, and no compiler is needed. It is pinned for `tc` in
a file system of this process's mount namespace only, so run it in one of its own (`unshare --mount`).
"""

from __future__ import annotations

import ctypes
import os
import struct
import subprocess
import sys

SYS_BPF = {"x86_64": 321, "aarch64": 280}
BPF_PROG_LOAD, BPF_OBJ_PIN, BPF_PROG_TYPE_SCHED_CLS, BPF_PROG_TYPE_XDP = 5, 6, 3, 6
XDP_DROP = 1
TC_ACT_UNSPEC, TC_ACT_SHOT = -1, 2
FOLDER = "/sys/fs/bpf"


def instruction(code: int, registers: int = 0, offset: int = 0, value: int = 0) -> bytes:
    return struct.pack("<BBhi", code, registers, offset, value)


def program(longest: int) -> bytes:
    return b"".join(
        [
            instruction(0x61, 0x12),  # r2 = *(u32 *)(r1 + 0), skb->len
            instruction(0xB7, 0, 0, TC_ACT_UNSPEC),  # r0 = TC_ACT_UNSPEC
            instruction(0xD5, 0x02, 1, longest),  # if r2 <= longest, leave out the next one
            instruction(0xB7, 0, 0, TC_ACT_SHOT),  # r0 = TC_ACT_SHOT
            instruction(0x95),  # exit
        ]
    )


def bpf(command: int, attributes: bytes) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    buffer = ctypes.create_string_buffer(attributes)
    result: int = libc.syscall(SYS_BPF[os.uname().machine], command, buffer, len(attributes))
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def main(device: str, longest: int, hook: str) -> None:
    subprocess.run(["mount", "-t", "bpf", "bpf", FOLDER], check=True)
    is_xdp = hook == "xdp"
    instructions = instruction(0xB7, 0, 0, XDP_DROP) + instruction(0x95) if is_xdp else program(longest)
    kind = BPF_PROG_TYPE_XDP if is_xdp else BPF_PROG_TYPE_SCHED_CLS
    code, licence = ctypes.create_string_buffer(instructions), ctypes.create_string_buffer(b"GPL")
    load = struct.pack(
        "<IIQQIIQ", kind, len(instructions) // 8, ctypes.addressof(code), ctypes.addressof(licence), 0, 0, 0
    )
    loaded = bpf(BPF_PROG_LOAD, load + bytes(8))
    path = ctypes.create_string_buffer(f"{FOLDER}/drop".encode())
    bpf(BPF_OBJ_PIN, struct.pack("<QII", ctypes.addressof(path), loaded, 0))
    if is_xdp:
        subprocess.run(["ip", "link", "set", "dev", device, "xdp", "pinned", f"{FOLDER}/drop"], check=True)
        return
    subprocess.run(["tc", "qdisc", "replace", "dev", device, "clsact"], check=True)
    words = ["tc", "filter", "add", "dev", device, hook, "bpf", "da", "object-pinned", f"{FOLDER}/drop"]
    subprocess.run(words, check=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
