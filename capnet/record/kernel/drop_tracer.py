"""Prints why the kernel of this machine drops packets: each `skb:kfree_skb` with its reason (Linux 5.17).

A program of its own, which needs Python's standard library only: it is given to `python3 -c` on the machine that it
watches, in a mount namespace of its own. Its arguments are a label and the filter of `interface_filter`. It prints one
JSON object in a line for each packet that was dropped: the reason, and where the packet was before.

Method: an instance of tracefs, `capnet-LABEL`, records `net:netif_receive_skb` and `net:net_dev_queue` of the captured
interfaces and `skb:kfree_skb`; events with one `skbaddr` are one packet, as long as it lives. Limits: an interface has
no namespace here, so an equal name of another host is told apart by time; a reason that says nothing is left out.
"""

from __future__ import annotations

import json
import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Collection
from pathlib import Path

MAX_LINES = 50_000
MAX_PACKETS = 100_000  # whose last interface is remembered
BUFFER_KIB = 8192  # of events, for each processor
POLL_MS = 200
FOLDER = Path("/sys/kernel/tracing")
FILTERED = ("net/netif_receive_skb", "net/net_dev_queue")  # by interface
EVENTS = (*FILTERED, "skb/kfree_skb")
MAX_FILTER_BYTES = 4096  # a page: what the kernel reads of a write to `filter`
NO_FILTER = "0"  # removes one: all interfaces
LEFT_OUT = ("NOT_SPECIFIED", "OTHERHOST", "UNHANDLED_PROTO", "PACKET_SOCK_ERROR", "TCP_OLD_DATA", "TCP_OLD_ACK")
PASSED = re.compile(r" (\d+)\.(\d{6}): (netif_receive_skb|net_dev_queue): dev=(.*) skbaddr=(\w+) len=(\d+)$")
DROPPED = re.compile(r" (\d+)\.(\d{6}): kfree_skb: skbaddr=(\w+) .*location=(\S+).* reason: (\w+)$")
LOST = re.compile(r"\[LOST (\d+) EVENTS\]")


class Drops:
    """Turns lines of trace_pipe into lines of ours. `offset_ns` makes times of the trace times of the wall clock."""

    def __init__(self, offset_ns: int) -> None:
        self._offset_ns = offset_ns
        self._passed: dict[str, tuple[int, str, str, int]] = {}

    def line(self, event: str) -> str | None:
        """The line for an event; None if it is no drop of a packet that passed one of the interfaces."""
        if passed := PASSED.search(event):
            seconds, micros, kind, device, address, length = passed.groups()
            if len(self._passed) >= MAX_PACKETS:
                self._passed.clear()
            how = "received" if kind == "netif_receive_skb" else "sent"
            self._passed[address] = (self._time(seconds, micros), device, how, int(length))
            return None
        dropped = DROPPED.search(event)
        if dropped is None:
            return None
        seconds, micros, address, location, reason = dropped.groups()
        before = self._passed.pop(address, None)
        if before is None or reason in LEFT_OUT:
            return None
        passed_ns, device, how, length = before
        return json.dumps(
            {
                "time": self._time(seconds, micros), "reason": reason, "location": location.partition("+")[0],
                "device": device, "how": how, "passed": passed_ns, "length": length,
            },
            separators=(",", ":"),
        )  # fmt: skip

    def _time(self, seconds: str, micros: str) -> int:
        return int(seconds) * 1_000_000_000 + int(micros) * 1000 - self._offset_ns


def interface_filter(interfaces: Collection[str]) -> str:
    """The filter of an event that passes these interfaces; NO_FILTER where it is too long for the kernel."""
    named = " || ".join(f'name == "{name}"' for name in sorted(interfaces) if '"' not in name)
    return named if 0 < len(named.encode()) < MAX_FILTER_BYTES else NO_FILTER


def prepare(instance: Path, interfaces: str) -> None:
    """Switches the events on, with this filter. Raises OSError."""
    (instance / "buffer_size_kb").write_text(str(BUFFER_KIB))
    (instance / "trace_clock").write_text("tai")
    for event in EVENTS:
        if event in FILTERED:
            (instance / "events" / event / "filter").write_text(interfaces)
        (instance / "events" / event / "enable").write_text("1")


def watch(instance: Path, pipe: int) -> None:
    """Prints drops until SIGTERM; then what has happened before it."""
    is_ending: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: is_ending.append(number))
    drops = Drops(time.clock_gettime_ns(time.CLOCK_TAI) - time.time_ns())
    poll = select.poll()
    poll.register(pipe, select.POLLIN)
    print(json.dumps({"tracing": instance.name}), flush=True)
    rest, lines, lost = "", 0, 0
    while True:
        was_ending = bool(is_ending)
        if was_ending:  # what others send must not keep it from its end
            (instance / "tracing_on").write_text("0")
        try:
            data = os.read(pipe, 1 << 20)
        except BlockingIOError:
            if was_ending:
                break
            poll.poll(POLL_MS)
            continue
        *events, rest = (rest + data.decode(errors="replace")).split("\n")
        for event in events:
            if missing := LOST.search(event):
                lost += int(missing[1])
            elif (line := drops.line(event)) is not None:
                lines += 1
                lost += lines > MAX_LINES
                if lines <= MAX_LINES:
                    print(line)
    print(json.dumps({"lost": lost}), flush=True)


def main(label: str, interfaces: str) -> None:
    """Makes the instance, watches, and removes it, also when SIGTERM comes before it watches."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    subprocess.run(["mount", "-t", "tracefs", "nodev", str(FOLDER)], check=True)
    instance = FOLDER / "instances" / f"capnet-{label}"
    try:
        instance.mkdir()
        prepare(instance, interfaces)
        pipe = os.open(instance / "trace_pipe", os.O_RDONLY | os.O_NONBLOCK)
        try:
            watch(instance, pipe)
        finally:
            os.close(pipe)
    finally:
        if instance.exists():
            instance.rmdir()


if __name__ == "__main__":
    try:
        main(sys.argv[1], sys.argv[2])
    except (OSError, subprocess.CalledProcessError) as error:
        raise SystemExit(f"tracefs cannot be used: {error}") from error
