"""Compares how capnet reads capture files with how Wireshark does: packets, interfaces, names of addresses, damage.

    python -m tests.conformance FOLDER|FILE...

Packets are compared as in `tests.differential`; capinfos gives the interfaces, `tshark -z hosts` the names. A file that
tshark complains about must have a problem in our report, and no other file.
Prints the deviations of each file that has any.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from capnet.errors import CapnetError
from capnet.wire.capture import Capture, open_capture
from tests.differential import captures_in, compare_file
from tests.tshark import tshark_version

KEYS = "Name|Description|Capture length|Number of packets"
COMPLAINTS = ("cut short", "damaged", "corrupt", "doesn't support", "isn't a capture file", "Packet size limit")


def deviations(path: Path) -> list[str]:
    """Everything in which a capture reads otherwise than Wireshark reads it."""
    deviating = [str(difference) for difference in compare_file(path, compiled=False).differences]
    complains = complaint(path)
    try:
        with open_capture(path, compiled=False) as capture:
            for _ in capture.blocks():
                pass
            problem = capture.problems[0].says if capture.problems else ""
            deviating += interfaces_differ(path, capture) if not complains else []
            deviating += names_differ(path, capture) if not complains else []
    except CapnetError as error:
        problem = str(error)
    if bool(complains) != bool(problem):
        deviating.append(f"damage: tshark {complains or 'finds none'}, capnet {problem or 'finds none'}")
    return deviating


def complaint(path: Path) -> str:
    """What tshark says about a file that it cannot read to its end; empty if it can."""
    done = subprocess.run(["tshark", "-n", "-r", str(path), "-c", "100000000"], capture_output=True, check=False)
    lines = done.stderr.decode(errors="replace").splitlines()
    text = " ".join(line for line in lines if "This could be dangerous" not in line).replace(str(path), "FILE")
    if re.search(r"network type \d+ unknown", text):
        return ""  # a link type that it does not know: no damage, we count its frames
    return text if any(words in text for words in COMPLAINTS) or done.returncode else ""


def capinfos(path: Path) -> str:
    done = subprocess.run(["capinfos", "-M", str(path)], capture_output=True, check=False)
    return done.stdout.decode(errors="replace")


def interfaces_differ(path: Path, capture: Capture) -> Iterator[str]:
    text = capinfos(path)
    if not text:
        return  # a link type that Wireshark does not know
    sections = text.count("\nSection ")
    if sections:  # capinfos repeats all interfaces for each section
        text = text.partition("\nSection 1:")[0] + "\n"
    blocks = re.split(r"^Interface #\d+ info:\n", text, flags=re.M)[1:]
    if len(blocks) != len(capture.interfaces):
        yield f"interfaces: capinfos {len(blocks)}, capnet {len(capture.interfaces)}"
        return
    for index, (block, ours) in enumerate(zip(blocks, capture.interfaces, strict=True)):
        values = dict(re.findall(rf"^ {{10,}}({KEYS}) = ([^\r\n]*)", block, re.M))
        expected = {
            "Name": (ours.name or "").splitlines()[0] if ours.name else None,
            "Description": (ours.description or "").splitlines()[0] if ours.description else None,
            "Capture length": str(ours.snaplen),
            "Number of packets": str(ours.packets),
        }
        if sections:
            del expected["Number of packets"]  # capinfos takes equal ids of different sections for one interface
        for key, value in expected.items():
            if values.get(key) != value:
                yield f"interface {index}: {key.lower()}: capinfos {values.get(key)}, capnet {value}"


def names_differ(path: Path, capture: Capture) -> Iterator[str]:
    """Addresses with a name: the same ones, and the one name that tshark keeps of each is among ours."""
    done = subprocess.run(["tshark", "-N", "n", "-r", str(path), "-q", "-z", "hosts"], capture_output=True, check=False)
    lines = done.stdout.decode(errors="replace").splitlines()
    wireshark = dict(line.split("\t", 1) for line in lines if "\t" in line and not line.startswith("#"))
    ours = {address: names for address, names in capture.names.of.items() if not is_mac(address)}
    for address in sorted(wireshark.keys() | ours.keys()):
        if wireshark.get(address) not in ours.get(address, []):
            yield f"name of {address}: tshark {wireshark.get(address)}, capnet {ours.get(address)}"


def is_mac(address: str) -> bool:
    return re.fullmatch(r"(?:[0-9a-f]{2}:){5}[0-9a-f]{2}", address) is not None


def main() -> int:
    parser = argparse.ArgumentParser(description="Compare how we read capture files with how Wireshark reads them.")
    parser.add_argument("paths", type=Path, nargs="+", metavar="FILE|FOLDER")
    given = parser.parse_args()
    if not (shutil.which("tshark") and shutil.which("capinfos")):
        print("tshark and capinfos are not installed (Debian packages tshark, wireshark-common)", file=sys.stderr)
        return 4
    files = bad = 0
    for path in captures_in(given.paths):
        files += 1
        deviating = deviations(path)
        if deviating:
            bad += 1
            more = f"; and {len(deviating) - 4} more" if len(deviating) > 4 else ""
            print(f"{path}: " + "; ".join(deviating[:4]) + more)
    print(f"{tshark_version()}: {files} files, {files - bad} read as Wireshark reads them, {bad} do not")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
