"""Our decoder against tshark, field by field.

    python -m tests.differential FILE|FOLDER...

For each frame and each frame inside it, every field that both programs have must be equal, and what tshark has we must
have too. What remains different for a known reason is in `tests.explained`, with the reason; anything else is a
difference, printed, and the exit code is 1.

tshark's rows (`tests.tshark`), stored, are the expected values for machines without it (tests/wire/expected, written by
`python -m tests.wire.expected`).
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from capnet.errors import CapnetError
from capnet.wire import fields
from capnet.wire.addresses import address_text, mac_text
from capnet.wire.capture import open_capture
from capnet.wire.fields import ABSENT
from capnet.wire.protocols import KIND_OF_NUMBER
from tests.explained import EXPLAINED, Difference
from tests.tshark import COLUMNS, Row, tshark_rows, tshark_version

# tshark gives these in some cases only: ours without tshark's is no difference
ONE_WAY = {"payload", "payload_at", "point"}


def our_rows(path: Path, compiled: bool | None = None) -> list[Row]:
    """The same rows by our decoder. CapnetError if it is no capture."""
    rows: list[Row] = []
    with open_capture(path, compiled=compiled) as capture:
        for block in capture.blocks():
            past = any(problem.name in ("damaged-file", "damaged-options") for problem in capture.problems)
            behind = {"behind": "1"} if past else {}
            rows.extend(our_row(values) | behind for values in block.dicts())
    return rows


def our_row(values: dict[str, int]) -> Row:
    row: Row = {}
    layers = values["layers"]
    for column in COLUMNS:
        if column in ("src", "dst"):
            if layers & (fields.LAYER_IP | fields.LAYER_ARP):
                row[column] = address_text(values[column + "_hi"], values[column + "_lo"])
        elif column in ("tunnel", "via"):
            if values[column]:
                row[column] = KIND_OF_NUMBER[values[column]].name
        elif values[column] != ABSENT:
            is_mac = column in ("smac", "dmac", "arp_sha", "arp_tha")
            row[column] = mac_text(values[column]) if is_mac else str(values[column])
    if layers & (fields.LAYER_RAW | fields.LAYER_NULL | fields.LAYER_NFLOG) and not layers & fields.LAYER_VLAN:
        row.pop("ethertype", None)  # these have none: ours says which IP it is
    if layers & fields.LAYER_NFLOG:
        row.pop("smac", None)  # tshark shows the attribute as bytes
    if row["depth"] != "0":
        del row["caplen"], row["wirelen"]  # tshark does not say
    row["note"] = str(values["reason"])
    row["layers"] = str(layers)
    return row


@dataclass
class Comparison:
    """Result for one file."""

    equal: Counter[str] = field(default_factory=Counter)  # column → values that are equal
    explained: Counter[str] = field(default_factory=Counter)  # name of the explanation → differences
    differences: list[Difference] = field(default_factory=list)
    beyond: Counter[str] = field(default_factory=Counter)  # protocols where tshark goes on and we stop
    rows: int = 0
    declared: list[str] = field(default_factory=list)  # ports that tshark was told to be VXLAN's


def compare(tshark: list[Row], ours: list[Row]) -> Comparison:
    result = Comparison(rows=len(tshark))
    by_key = {(row["frame"], row["depth"]): row for row in ours}
    for row in tshark:
        capnet_row = by_key.pop((row["frame"], row["depth"]), {})
        if "beyond" in row:
            result.beyond[row["beyond"]] += 1
        for column in COLUMNS:
            expected, actual = row.get(column), capnet_row.get(column)
            if expected == actual:
                result.equal[column] += expected is not None
            elif expected is not None or column not in ONE_WAY:
                sort(Difference(row["frame"], row["depth"], column, expected, actual), row, capnet_row, result)
    for (frame, depth), capnet_row in by_key.items():
        sort(Difference(frame, depth, "frame", None, frame), {}, capnet_row, result)
    return result


def sort(difference: Difference, tshark: Row, ours: Row, result: Comparison) -> None:
    for explanation in EXPLAINED:
        if explanation.applies(difference, tshark, ours):
            result.explained[explanation.name] += 1
            return
    result.differences.append(difference)


def compare_file(path: Path, compiled: bool | None = None) -> Comparison:
    """tshark, live, against our decoder; where we find VXLAN on a port of its own, tshark is told to see it as that."""
    try:
        ours = our_rows(path, compiled)
    except CapnetError:
        ours = []
    ports = vxlan_ports(ours)
    result = compare(tshark_rows(path, ports), ours)
    result.declared = ports
    return result


def vxlan_ports(ours: list[Row]) -> list[str]:
    """The UDP ports on which we found VXLAN by its header, not by their number."""
    return sorted({row["dport"] for row in ours if row.get("tunnel") == "vxlan"} - {"4789", "4790", "8472"}, key=int)


# -- command -----------------------------------------------------------------------------------------

CAPTURES = (".pcap", ".pcapng", ".cap", ".ntar", ".dmp")


def captures_in(paths: list[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            yield from sorted(p for p in path.rglob("*") if p.suffix in CAPTURES)
        else:
            yield path


def main() -> int:
    parser = argparse.ArgumentParser(description="Compare our decoder with tshark, field by field.")
    parser.add_argument("paths", type=Path, nargs="+", metavar="FILE|FOLDER")
    parser.add_argument("--first", type=int, default=5, help="differences to print per file")
    machine = parser.add_mutually_exclusive_group()
    machine.add_argument("--compiled", action="store_true", default=None, help="force compiled kernels")
    machine.add_argument("--interpreted", action="store_false", dest="compiled", help="force interpreted kernels")
    given = parser.parse_args()
    if not shutil.which("tshark"):
        print("tshark is not installed (Debian package tshark)", file=sys.stderr)
        return 4
    equal: Counter[str] = Counter()
    explained: Counter[str] = Counter()
    different: Counter[str] = Counter()
    beyond: Counter[str] = Counter()
    files = rows = 0
    for path in captures_in(given.paths):
        try:
            result = compare_file(path, given.compiled)
        except Exception as error:  # whatever it is, it belongs to this file; go on with the others
            print(f"{path}: {type(error).__name__}: {error}")
            different["(raised)"] += 1
            continue
        files, rows = files + 1, rows + result.rows
        if result.declared:
            print(f"{path}: tshark was told that this is VXLAN: UDP port {', '.join(result.declared)}")
        equal += result.equal
        explained += result.explained
        beyond += result.beyond
        different.update(d.column for d in result.differences)
        if result.differences:
            print(f"{path}: {len(result.differences)} differences")
            for difference in result.differences[: given.first]:
                print(f"  {difference}")
    print(f"{tshark_version()}: {files} files, {rows} rows, {sum(equal.values())} values equal")
    for column in COLUMNS:
        if equal[column] or different[column]:
            print(f"  {column:12} {equal[column]:8} equal  {different[column] or ''}")
    for explanation in EXPLAINED:
        if explained[explanation.name]:
            print(f"explained, {explained[explanation.name]} × {explanation.name}: {explanation.why}")
    if beyond:
        print("tshark goes on where we stop: " + ", ".join(f"{n} × {name}" for name, n in beyond.most_common()))
    print(f"{sum(different.values())} unexplained differences")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
