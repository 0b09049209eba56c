"""`capnet export`: every table, every format, all rows; hostile names; what it refuses."""

from __future__ import annotations

import csv
import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

import capnet
from capnet.analysis.core.sources import Source
from capnet.analysis.tables.library import Tables, columns_of
from capnet.analysis.tables.names import TABLES
from capnet.cli import cli
from capnet.errors import EnvironmentLacks, UnreadableInput, UsageError
from capnet.export.text_rows import csv_pieces, jsonl_pieces, spreadsheet_text
from capnet.export.writers import FORMATS, write
from capnet.table.batch import batch_of
from capnet.table.column import DataColumn
from capnet.table.table import Table
from tests.conftest import PROJECT

OVERLAY = PROJECT / "pcaps" / "overlay.pcapng"
EXTRA = "heavy, and optional: pip install 'capnet[export]'"


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli, ["export", *map(str, arguments)])


def rows(name: str, format_: str, folder: Path) -> list[dict[str, Any]]:
    """The rows of a table of the overlay, through a file."""
    target = folder / f"{name}.{format_}"
    result = run(OVERLAY, "--table", name, "-o", target)
    assert result.exit_code == 0, (result.output, result.exception)
    if format_ == "csv":
        return list(csv.DictReader(target.open(encoding="utf-8", newline="")))
    return [json.loads(line) for line in target.read_text(encoding="ascii").splitlines()]


@pytest.mark.parametrize("name", TABLES)
def test_table_has_its_columns_and_all_rows(name: str, tmp_path: Path) -> None:
    expected = list(Tables([Source(OVERLAY)]).table(name))
    as_csv, as_json = rows(name, "csv", tmp_path), rows(name, "jsonl", tmp_path)
    assert len(as_csv) == len(as_json) == len(expected) > 0
    names = [column.name for column in columns_of(name)]
    assert list(as_csv[0]) == list(expected[0]) == names
    for cells, values, row in zip(as_csv, as_json, expected, strict=True):
        present = {key for key, value in row.items() if value is not None}
        assert set(values) == present >= {key for key, cell in cells.items() if cell}


def test_facts_are_those_of_the_report(tmp_path: Path) -> None:
    report = capnet.analyze(OVERLAY)
    findings = rows("findings", "jsonl", tmp_path)
    assert [(row["name"], row["says"]) for row in findings] == [(each.name, each.says) for each in report.findings]
    translations = rows("nat", "jsonl", tmp_path)
    assert [row["before_src"] for row in translations] == [each.before.src for each in report.nat]
    hops = rows("paths", "jsonl", tmp_path)
    assert [row["point"] for row in hops if row["path"] == 1] == [hop.point for hop in report.paths[0].hops]


def test_flows_are_not_cut_to_the_biggest(tmp_path: Path) -> None:
    """The report lists the 100 biggest; here are all, and their sums are those of the points."""
    report = capnet.analyze(OVERLAY)
    flows = rows("flows", "jsonl", tmp_path)
    assert len(flows) == report.flows.count
    assert {row["flow"] for row in flows} == set(range(len(flows)))
    assert len({(row["point"], row["first_frame"], row["depth"]) for row in flows}) == len(flows)


def test_times_and_addresses_are_written_as_text(tmp_path: Path) -> None:
    frame = rows("frames", "csv", tmp_path)[0]
    assert frame["time"] == "2026-11-24T00:32:47.409216280Z"
    assert (frame["src"], frame["smac"]) == ("10.0.1.2", "02:42:0a:00:01:02")
    target = tmp_path / "binary.jsonl"
    assert run(OVERLAY, "--addresses", "binary", "-o", target).exit_code == 0
    assert json.loads(target.read_text().splitlines()[0])["src"] == "00000000000000000000ffff0a000102"


def test_flow_expression_chooses_frames_flows_and_conversations(tmp_path: Path) -> None:
    wanted = {"frames": "frame", "flows": "flow", "conversations": "flow"}
    for name, key in wanted.items():
        target = tmp_path / f"{name}.jsonl"
        assert run(OVERLAY, "--table", name, "--flow", "tcp port 80 and vni 4097", "-o", target).exit_code == 0
        chosen = [json.loads(line) for line in target.read_text().splitlines()]
        everything = list(Tables([Source(OVERLAY)]).table(name))
        expected = [row for row in everything if row["proto"] == "tcp" and 80 in (row["sport"], row["dport"])]
        assert {row[key] for row in chosen} <= {row[key] for row in expected}
        assert chosen and len(chosen) < len(everything)


def test_flow_expression_chooses_facts_of_its_flows() -> None:
    """Of a golden with translations of both kinds, those to the published port, and what belongs to them."""
    bridge = Source(OVERLAY.with_name("bridge.pcapng"))
    chosen = {name: list(Tables([bridge], expression="port 8080").table(name)) for name in ("nat", "paths", "points")}
    everything = {name: list(Tables([bridge]).table(name)) for name in chosen}
    assert chosen["nat"] == [row for row in everything["nat"] if 8080 in (row["before_dport"], row["after_dport"])]
    assert 0 < len(chosen["nat"]) < len(everything["nat"])
    for name in ("paths", "points"):
        assert 0 < len(chosen[name]) < len(everything[name])
        assert all(row in everything[name] for row in chosen[name]) or name == "paths"
    macs = {row["mac"] for row in Tables([bridge], expression="port 8080").table("stations")}
    assert macs < {row["mac"] for row in Tables([bridge]).table("stations")}


def test_flow_in_a_tunnel_chooses_its_tunnel() -> None:
    service = Source(OVERLAY.with_name("overlay-two.pcapng"))
    networks = {row["vni"] for row in Tables([service]).table("tunnels")}
    vni = min(networks)
    assert {row["vni"] for row in Tables([service], expression=f"vni {vni}").table("tunnels")} == {vni} < networks


def test_file_on_stdout_and_name_of_its_format() -> None:
    result = run(OVERLAY, "--to", "csv", "-o", "-", "--table", "tunnels")
    assert result.exit_code == 0
    assert result.stdout.startswith("kind,vni,point,")


def test_capture_that_cannot_be_read_writes_nothing(tmp_path: Path) -> None:
    """Not even the names of columns: a program that reads them would take the table for an empty one."""
    result = run(tmp_path / "missing.pcap", "--to", "csv", "-o", "-")
    assert isinstance(result.exception, UnreadableInput)
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["-o", "x.txt"], "--output x.txt names no format; say --to with one of parquet, csv, jsonl, arrow"),
        (["-o", "-"], "--output - names no format"),
        (["--to", "csv", "-o", "x.csv.gz"], "export compresses no files"),
        (["--to", "csv", "-o", "x.parquet"], "contradict each other"),
        (["--table", "findings", "--flow", "tcp", "-o", "x.csv"], "--flow does not go with the table findings"),
        (["-o", str(OVERLAY.with_suffix(".csv")) + "/x.csv"], "cannot be written"),
    ],
)
def test_what_makes_no_sense_is_refused(arguments: list[str], says: str) -> None:
    result = run(OVERLAY, *arguments)
    assert isinstance(result.exception, UsageError)
    assert says in str(result.exception)


def test_input_is_never_overwritten(tmp_path: Path) -> None:
    capture = tmp_path / "a.csv"
    capture.write_bytes(OVERLAY.read_bytes())
    result = run(capture, "-o", capture)
    assert "is the input" in str(result.exception)
    assert capture.read_bytes() == OVERLAY.read_bytes()


def test_unreadable_input_leaves_no_file(tmp_path: Path) -> None:
    damaged = tmp_path / "a.pcap"
    damaged.write_bytes(b"no capture at all")
    result = run(damaged, "-o", tmp_path / "out.csv")
    assert isinstance(result.exception, capnet.errors.UnreadableInput)
    assert [path.name for path in tmp_path.iterdir()] == ["a.pcap"]


@pytest.mark.parametrize("format_", ["parquet", "arrow"])
def test_missing_library_says_how_to_install_it(format_: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    result = run(OVERLAY, "--to", format_, "-o", tmp_path / f"x.{format_}")
    assert isinstance(result.exception, EnvironmentLacks)
    assert "pip install 'capnet[export]'" in str(result.exception)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("format_", ["parquet", "arrow", "csv", "jsonl"])
def test_error_while_reading_is_the_captures_own(format_: str, tmp_path: Path) -> None:
    """Not one of Arrow's, whose thread it passes; nothing is left behind."""
    if not FORMATS[format_].is_text:
        pytest.importorskip("pyarrow", reason=EXTRA)
    broken = tmp_path / "a.pcap"
    broken.write_bytes(b"no capture at all")
    result = run(OVERLAY, broken, "-o", tmp_path / f"out.{format_}")
    assert isinstance(result.exception, capnet.errors.UnreadableInput), result.exception
    assert [path.name for path in tmp_path.iterdir()] == ["a.pcap"]


# -- hostile names ------------------------------------------------------------------------------------
HOSTILE = ["=1+1", "+1", "-2", "@SUM(A1)", "\tx", "\rx", "\x1b[2J", "a\nb", '"', "‮txt", "\ud800"]


def hostile_table() -> Table:
    columns = [DataColumn("name", "text", ""), DataColumn("names", "texts", ""), DataColumn("delta", "int32", "")]
    return Table("hostile", columns, lambda: iter([batch_of(columns, [(text, [text], -1) for text in HOSTILE])]))


def test_no_cell_is_a_formula_or_a_control_sequence() -> None:
    text = "".join(csv_pieces(hostile_table()))
    assert not set("\x1b\r\t\0‮") & set(text)
    for cells in list(csv.reader(io.StringIO(text)))[1:]:
        assert all(cell[0] not in "=+-@" for cell in cells[:2])
        assert cells[2] == "-1", "a number stays one"


def test_values_of_every_kind_are_written_as_readers_take_them() -> None:
    """Against csv and json of Python: quotes, commas, spaces, what is missing, and a text of two rows."""
    columns = [
        DataColumn("text", "text", ""), DataColumn("texts", "texts", ""), DataColumn("bool", "bool", ""),
        DataColumn("int64", "int64", ""), DataColumn("float64", "float64", ""), DataColumn("time", "time", ""),
    ]  # fmt: skip
    rows = [
        ('a "b", c', ["x,y", 'z"'], True, -(2**63), 0.1, 1_795_480_367_409_216_280),
        (" a ", [], None, None, None, None),
        ('a "b", c', ["é"], False, 0, 1e300, 0),
    ]
    table = Table("kinds", columns, lambda: iter([batch_of(columns, rows)]))
    head, *cells = csv.reader(io.StringIO("".join(csv_pieces(table))))
    assert head == table.columns
    assert cells == [
        ['a "b", c', 'x,y z"', "true", "-9223372036854775808", "0.1", "2026-11-24T00:32:47.409216280Z"],
        [" a ", "", "", "", "", ""],
        ['a "b", c', "é", "false", "0", "1e+300", "1970-01-01T00:00:00.000000000Z"],
    ]
    objects = [json.loads(line) for line in "".join(jsonl_pieces(table)).splitlines()]
    assert [[each.get(name) for name in head] for each in objects] == [
        [text, texts, bool_, integer, number, cell[-1] or None]
        for (text, texts, bool_, integer, number, _), cell in zip(rows, cells, strict=True)
    ]


def test_numbers_in_answers_stay_numbers() -> None:
    assert [spreadsheet_text(value) for value in (-1, -0.5, True, None, "-1")] == [-1, -0.5, "true", None, "'-1"]


def test_texts_of_a_list_are_told_apart() -> None:
    """In CSV spaces stand between them; names of capture points may have their own."""
    assert spreadsheet_text(["my pc/eth0", "eth0"]) == r"my\x20pc/eth0 eth0"
    assert spreadsheet_text(["-a", "b"]) == "'-a b"


@pytest.mark.parametrize("format_", [name for name, kind in FORMATS.items() if kind.is_text])
def test_hostile_texts_are_one_line_each(format_: str) -> None:
    file = io.BytesIO()
    write(hostile_table(), format_, file)
    lines = file.getvalue().decode().splitlines()
    assert len(lines) == len(HOSTILE) + (format_ == "csv")


@pytest.mark.by_turns
# -- with pyarrow ---------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("format_", ["parquet", "arrow"])
def test_binary_formats_have_the_same_rows(format_: str, name: str, tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow", reason=EXTRA)
    parquet = pytest.importorskip("pyarrow.parquet", reason=EXTRA)
    target = tmp_path / f"x.{format_}"
    result = run(OVERLAY, "--table", name, "-o", target)
    assert result.exit_code == 0, (result.output, result.exception)
    read = parquet.read_table(target) if format_ == "parquet" else pyarrow.ipc.open_stream(target.open("rb")).read_all()
    times = [column.name for column in columns_of(name) if column.kind == "time"]
    for key in times:
        assert str(read.schema.field(key).type) == "timestamp[ns, tz=UTC]"
        index = read.schema.get_field_index(key)
        read = read.set_column(index, key, read[key].cast("int64"))
    assert read.to_pylist() == list(Tables([Source(OVERLAY)]).table(name))
