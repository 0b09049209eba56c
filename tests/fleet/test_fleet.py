"""What a fleet's folder holds, what is analyzed again, and what is refused."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import jsonschema
import pytest
from click.testing import CliRunner

from capnet.cli import cli
from capnet.cli.fleet import progress_line
from capnet.errors import Exit, UnreadableInput, UsageError
from capnet.fleet.captures import named_captures
from capnet.fleet.report import merge
from capnet.fleet.report.baseline import read_fleet_baseline, with_fleet_baseline
from capnet.fleet.report.html import render
from capnet.fleet.report.text import MAX_LINES, markdown, screen
from capnet.fleet.run import RunState
from tests.conftest import PROJECT
from tests.fleet.inline import GOLDENS, copies, run_fleet

SCHEMA = json.loads((PROJECT / "capnet" / "fleet" / "report" / "schema.json").read_text(encoding="utf-8"))
FAULT = GOLDENS / "faults" / "routing-loop.pcapng"


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict, Path]:
    """Six captures, one of them damaged and one no capture, and one with a fault twice: merged report, folder."""
    base = tmp_path_factory.mktemp("fleet")
    captures = copies(base / "captures", 6)
    for name in ("loop.pcapng", "below/loop-again.pcapng"):
        (captures / name).parent.mkdir(exist_ok=True)
        shutil.copy(FAULT, captures / name)
    return run_fleet([captures], base / "out")[0], base / "out"


def test_merged_report_is_valid_and_has_every_capture(fleet: tuple[dict, Path]) -> None:
    document, folder = fleet
    jsonschema.validate(document, SCHEMA)
    outcomes = {row["capture"]: row["outcome"] for row in document["captures"]}
    assert len(outcomes) == document["totals"]["captures"] == 8
    assert {name: outcome for name, outcome in outcomes.items() if outcome != "done"} == {
        "n002-host.pcapng": "damaged", "n005-host.pcapng": "failed",
    }  # fmt: skip
    for row in document["captures"]:
        report = row["report"] and json.loads((folder / row["report"]).read_text(encoding="ascii"))
        assert (report is None) == (row["outcome"] == "failed")
        assert report is None or report["flows"]["count"] == row["flows"]


def test_finding_of_two_captures_is_one_row_since_the_first(fleet: tuple[dict, Path]) -> None:
    row = next(row for row in fleet[0]["findings"] if row["name"] == "routing-loop")
    assert row["captures"] == ["below/loop-again.pcapng", "loop.pcapng"]
    one = next(each for each in fleet[0]["captures"] if each["capture"] == "loop.pcapng")
    assert (row["since"], row["until"]) == (one["first"], one["last"])
    assert row["earlier_without"] == sum(each["last"] <= row["since"] for each in fleet[0]["captures"] if each["last"])


def test_equal_captures_share_their_connections(fleet: tuple[dict, Path]) -> None:
    document, folder = fleet
    names = ["below/loop-again.pcapng", "loop.pcapng"]
    shared = next(row for row in document["joined"]["captures"] if row["captures"] == names)
    rows = [json.loads(line) for line in (folder / "joined" / "joined.jsonl").read_text(encoding="ascii").splitlines()]
    of_both = {row["connection"] for row in rows if row["file"].endswith("/loop.pcapng")}
    assert len(of_both) == shared["connections"] > 0
    assert document["joined"]["connections"] == len({row["connection"] for row in rows})


def test_data_set_has_file_and_host_in_front(fleet: tuple[dict, Path]) -> None:
    document, folder = fleet
    rows = [json.loads(line) for part in folder.glob("flows/*.jsonl") for line in part.open(encoding="ascii")]
    assert len(rows) == document["totals"]["flows"]
    assert all(next(iter(row)) == "file" for row in rows)
    assert {row["host"] for row in rows if "host" in row} <= set(document["totals"]["hosts"])
    assert all(row["point"].startswith(f"{row['host']}/") for row in rows if "host" in row)


def test_screen_has_at_most_thirty_lines(fleet: tuple[dict, Path]) -> None:
    document = json.loads(json.dumps(fleet[0]))
    for width in (60, 100):
        lines = screen(document, "out", width).splitlines()
        assert len(lines) <= MAX_LINES and max(map(len, lines)) <= width
    document["findings"] = [{**document["findings"][0], "name": f"finding-{n}", "level": "error"} for n in range(90)]
    assert len(screen(document, "out", 100).splitlines()) <= MAX_LINES


def test_containers_of_one_name_are_counted_as_one(fleet: tuple[dict, Path]) -> None:
    """Two hosts with a container each: the line had `db 1, db 1`."""
    rows = [
        {"name": "db", "host": host, "ips": [], "captures": captures}
        for host, captures in (("A", ["1.pcap", "2.pcap"]), ("B", ["2.pcap"]))
    ]
    document = {**fleet[0], "containers": rows, "totals": {**fleet[0]["totals"], "containers": 2}}
    assert "Containers in how many captures: db 2\n" in screen(document, "out", 100)


def test_hostile_file_name_is_escaped(tmp_path: Path) -> None:
    name = "\x1b[31m|<script>`x`.pcap"
    (tmp_path / "captures").mkdir()
    (tmp_path / "captures" / name).write_bytes(b"no capture")
    document, _ = run_fleet([tmp_path / "captures"], tmp_path / "out")
    jsonschema.validate(document, SCHEMA)
    assert "\x1b" not in screen(document, "out", 100) + markdown(document)
    assert "<script>" not in markdown(document)


def test_what_is_done_is_not_done_again(tmp_path: Path) -> None:
    captures = tmp_path / "captures"
    captures.mkdir()
    for name in ("a", "b", "c", "d"):
        shutil.copy(GOLDENS / "none.pcapng", captures / f"{name}.pcapng")
    shutil.copy(GOLDENS / "none.topology.json", captures / "b.topology.json")
    run_fleet([captures], tmp_path / "out")
    assert run_fleet([captures], tmp_path / "out")[1] == []
    shutil.copy(GOLDENS / "host.pcapng", captures / "a.pcapng")  # another content and time
    (captures / "b.topology.json").unlink()  # its names were in the report
    next((tmp_path / "out" / "nat").glob("c-*")).unlink()  # a result is missing
    assert len(run_fleet([captures], tmp_path / "out")[1]) == 3


def test_capture_that_failed_is_tried_again(tmp_path: Path) -> None:
    captures = tmp_path / "captures"
    captures.mkdir()
    (captures / "a.pcap").write_bytes(b"not yet")
    assert run_fleet([captures], tmp_path / "out")[0]["totals"]["failed"] == 1
    assert len(run_fleet([captures], tmp_path / "out")[1]) == 1


def test_results_of_captures_that_are_gone_are_removed(tmp_path: Path) -> None:
    captures = copies(tmp_path / "captures", 2)
    run_fleet([captures], tmp_path / "out")
    (captures / "n001-host.pcapng").unlink()
    document, _ = run_fleet([captures], tmp_path / "out")
    assert document["totals"]["captures"] == 1
    assert len(list((tmp_path / "out" / "flows").iterdir())) == 1


def test_results_that_will_be_removed_are_told_before(tmp_path: Path) -> None:
    """`capnet fleet one.pcapng -o fleet/` in place of the folder: results of hours would go without a word."""
    captures, out = copies(tmp_path / "captures", 2), tmp_path / "out"
    run_fleet([captures], out)
    words = ["fleet", str(captures / "n000-host.pcapng"), "-o", str(out)]
    result = CliRunner().invoke(cli, words, standalone_mode=False)
    assert "captures that are not named any more: 1; their results are removed at the end" in result.stderr


def test_folder_of_another_fleet_is_refused(tmp_path: Path) -> None:
    first, second = copies(tmp_path / "first", 1), copies(tmp_path / "second", 1)
    run_fleet([first], tmp_path / "out")
    with pytest.raises(UsageError, match="results of other captures alone"):
        run_fleet([second], tmp_path / "out")
    with pytest.raises(UsageError, match="--to jsonl"):
        run_fleet([first], tmp_path / "out", "csv")
    with pytest.raises(UsageError, match="no folder of capnet fleet"):
        run_fleet([first], second)
    assert len(list((tmp_path / "out" / "reports").iterdir())) == 1


def test_files_of_a_ring_are_one_capture(tmp_path: Path) -> None:
    for number, name in enumerate(("web.pcap", "web.pcap1", "web.pcap2")):
        (tmp_path / name).write_bytes(_pcap(1_000 + 10 * number))
    document, _ = run_fleet([tmp_path], tmp_path / "out")
    assert [len(row["files"]) for row in document["captures"]] == [3]
    assert document["totals"]["packets"] == 6


def test_ring_with_a_broken_file_is_read_file_by_file(tmp_path: Path) -> None:
    for number, name in enumerate(("web.pcap", "web.pcap1", "web.pcap2")):
        (tmp_path / name).write_bytes(_pcap(1_000 + 10 * number))
    with (tmp_path / "web.pcap1").open("r+b") as file:  # its first frame is there, its link type makes no sense
        file.seek(20)
        file.write(b"\xfe\xca\x00\x00")
    document, _ = run_fleet([tmp_path], tmp_path / "out")
    assert {row["capture"]: row["packets"] for row in document["captures"]}["web.pcap2"] == 2
    assert len(document["captures"]) == 3
    assert [len(job.files) for job in run_fleet([tmp_path], tmp_path / "out")[1]] in ([], [1])


def test_folders_patterns_and_lists_name_captures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a.pcap", "x/b.pcapng.gz", "x/y/c.cap", "x/notes.txt", "out/d.pcap"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "names.txt").write_text("# two\nx/b.pcapng.gz\n\nx/y\n", encoding="utf-8")

    def named(*names: str) -> list[str]:
        return [os.path.relpath(source.label, tmp_path) for source in named_captures(names, Path("out"))]

    assert named(".") == ["a.pcap", "x/b.pcapng.gz", "x/y/c.cap"]
    assert named("**/*.cap") == ["x/y/c.cap"]
    assert named("names.txt", "a.pcap", "x/../a.pcap") == ["x/b.pcapng.gz", "x/y/c.cap", "a.pcap"]
    for wrong in ("*.none", "no.txt"):
        with pytest.raises(UnreadableInput):
            named(wrong)


def test_names_between_nuls_are_taken_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`find -print0`: a name may have any character but NUL, and a # in front is no comment."""
    monkeypatch.chdir(tmp_path)
    names = ["#1.pcap", " two \n lines .pcap", "next\x85line.pcap"]
    for name in names:
        Path(name).write_bytes(b"")
    Path("names.txt").write_text("\0".join(names) + "\0", encoding="utf-8")
    assert [Path(source.label).name for source in named_captures(["names.txt"], Path("out"))] == names
    Path("lines.txt").write_text(names[2] + "\n", encoding="utf-8")
    assert [Path(source.label).name for source in named_captures(["lines.txt"], Path("out"))] == names[2:]


def test_captures_below_the_folder_of_results_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`capnet fleet captures -o .`: that the folder is none of a fleet is what is wrong, and what is told."""
    monkeypatch.chdir(tmp_path)
    Path("captures").mkdir()
    shutil.copy(FAULT, "captures/loop.pcapng")
    assert len(named_captures(["captures"], Path())) == len(named_captures(["captures/*"], Path())) == 1
    result = CliRunner().invoke(cli, ["fleet", "captures", "-o", "."], standalone_mode=False)
    assert isinstance(result.exception, UsageError) and "no folder of capnet fleet" in str(result.exception)


def test_name_that_no_file_has_makes_no_folder(tmp_path: Path) -> None:
    """A typo: results of nothing would refuse the captures that were meant."""
    arguments = ["fleet", str(tmp_path / "typo.pcap"), "-o", str(tmp_path / "out")]
    result = CliRunner().invoke(cli, arguments, standalone_mode=False)
    assert isinstance(result.exception, UnreadableInput) and not (tmp_path / "out").exists()
    (tmp_path / "broken.pcap").write_bytes(b"nothing")
    arguments[1] = str(tmp_path / "broken.pcap")
    result = CliRunner().invoke(cli, arguments, standalone_mode=False)
    assert result.stdout.startswith("1 capture, of which none could be read.\n")


def test_fleet_without_a_capture_that_can_be_read_fails(tmp_path: Path) -> None:
    missing = CliRunner().invoke(cli, ["fleet", str(tmp_path), "-o", str(tmp_path / "out")], standalone_mode=False)
    assert isinstance(missing.exception, UnreadableInput) and not (tmp_path / "out").exists()
    assert missing.exception.exit_code == Exit.UNREADABLE


def test_progress_says_how_long_it_takes() -> None:
    assert progress_line(RunState(120, 2, 320, 25, 100), 10.0) == "122 of 320 captures, 25 %, about 30 s left, 2 failed"


def _pcap(second: int) -> bytes:
    """Two frames of ARP, a second apart."""
    head = bytes.fromhex("d4c3b2a1020004000000000000000000ffff000001000000")
    frame = bytes.fromhex("ffffffffffff0242ac110002080600010800060400010242ac110002ac110002000000000000ac110003")
    record = b"".join(
        (second + n).to_bytes(4, "little") + bytes(4) + len(frame).to_bytes(4, "little") * 2 + frame for n in range(2)
    )
    return head + record


def test_parquet_parts_are_one_table_of_all_flows(tmp_path: Path) -> None:
    duckdb = pytest.importorskip("duckdb", reason="heavy, and optional: pip install 'capnet[export,sql]'")
    pytest.importorskip("pyarrow", reason="heavy, and optional: pip install 'capnet[export,sql]'")
    document, _ = run_fleet([copies(tmp_path / "captures", 4)], tmp_path / "out", "parquet")
    query = f"select count(*), count(distinct file), list(distinct host) from '{tmp_path}/out/flows/*.parquet'"
    rows, files, hosts = duckdb.sql(query).fetchall()[0]
    assert (rows, files) == (document["totals"]["flows"], sum(row["flows"] > 0 for row in document["captures"]))
    assert {host for host in hosts if host} == {"A", "B"}
    for table in ("nat", "findings", "models", "joined"):
        assert duckdb.sql(f"describe select * from '{tmp_path}/out/{table}/*.parquet'").fetchall()


def test_file_name_that_is_no_text_is_kept(tmp_path: Path) -> None:
    captures = tmp_path / "captures"
    captures.mkdir()
    shutil.copy(GOLDENS / "none.pcapng", os.fsencode(captures) + b"/\xff.pcapng")
    document, _ = run_fleet([captures], tmp_path / "out")
    jsonschema.validate(document, SCHEMA)
    assert [row["outcome"] for row in document["captures"]] == ["done"]
    assert "\\udcff.pcapng" in markdown({**document, "findings": [{**document["findings"][0], "level": "error"}]})
    assert run_fleet([captures], tmp_path / "out")[1] == []


def test_merged_report_is_bounded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What is left out is counted; captures themselves are all there."""
    captures = copies(tmp_path / "captures", 2)
    whole, _ = run_fleet([captures], tmp_path / "out")
    monkeypatch.setattr(merge, "MAX_MERGED", 2)
    monkeypatch.setattr(merge, "MAX_ADDRESSES", 0)
    document, _ = run_fleet([captures], tmp_path / "out")
    kinds = ("findings", "containers", "stations")
    assert [document["totals"][kind] for kind in kinds] == [2, 2, 2]
    assert max(len(row["ips"]) for row in document["stations"]) == 0 < max(len(row["ips"]) for row in whole["stations"])
    assert document["totals"]["left_out"] >= sum(whole["totals"][kind] - 2 for kind in kinds) > 0
    assert len(document["captures"]) == 2


# -- options of users -----------------------------------------------------------------------------------
def test_baseline_leaves_only_new_findings(tmp_path: Path) -> None:
    """What the older fleet had is no reason to fail; what it had and is gone is named."""
    captures, old, out = tmp_path / "captures", tmp_path / "old", tmp_path / "out"
    captures.mkdir()
    shutil.copy(FAULT, captures / "loop.pcapng")
    run_fleet([captures], old)
    document = run_fleet([captures], old)[0]
    (old / "fleet.json").write_text(json.dumps(document))
    same = with_fleet_baseline(document, read_fleet_baseline(old / "fleet.json"))
    assert same["baseline"] == {"new": 0, "gone": []}
    assert all(row["in_baseline"] for row in same["findings"])
    shutil.copy(GOLDENS / "faults" / "dns-failure.pcapng", captures / "dns.pcapng")
    (captures / "loop.pcapng").unlink()
    other = with_fleet_baseline(run_fleet([captures], out)[0], read_fleet_baseline(old / "fleet.json"))
    jsonschema.validate(other, SCHEMA)
    assert "routing-loop" in {row["name"] for row in other["baseline"]["gone"]}
    assert "dns-failure" in {row["name"] for row in other["findings"] if not row["in_baseline"]}
    text = screen(other, "out", 100)
    assert "of the baseline are gone" in text
    assert " new " in text


def test_worse_level_than_in_the_baseline_is_new(fleet: tuple[dict, Path]) -> None:
    document = fleet[0]
    old = {**document, "findings": [{**row, "level": "info"} for row in document["findings"]]}
    levels = {row["level"] for row in with_fleet_baseline(document, old)["findings"] if not row["in_baseline"]}
    assert levels == {row["level"] for row in document["findings"]} - {"info"}


def test_other_file_is_no_baseline(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text('{"schema": "capnet.report/1"}')
    with pytest.raises(ValueError, match=r"x\.json"):
        read_fleet_baseline(tmp_path / "x.json")


def test_page_has_all_tables_and_no_markup_of_captures(fleet: tuple[dict, Path]) -> None:
    """One file with its own policy; a name from a capture is text."""
    document = json.loads(json.dumps(fleet[0]).replace("loop.pcapng", "<script>alert(1)<"))
    text = render(document)
    assert "Content-Security-Policy" in text
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert" in text
    for heading in ("Findings", "Captures that were not read", "Network models", "Connections in several captures"):
        assert f"<h2>{heading}" in text


def test_given_topology_names_addresses_in_all_captures(tmp_path: Path) -> None:
    """It is used in place of what lies beside each capture, and another one makes all be analyzed again."""
    (tmp_path / "captures").mkdir()
    shutil.copy(GOLDENS / "bridge.pcapng", tmp_path / "captures" / "a.pcapng")
    arguments = ([tmp_path / "captures"], tmp_path / "out")
    assert "172.17.0.2" not in _addresses_of("shop", run_fleet(*arguments)[0])
    given = tmp_path / "hosts.json"
    given.write_text((GOLDENS / "bridge.topology.json").read_text().replace('"web"', '"shop"'))
    document, analyzed = run_fleet(*arguments, topology=given)
    assert len(analyzed) == 1
    assert "172.17.0.2" in _addresses_of("shop", document)
    assert run_fleet(*arguments)[1] == []
    os.utime(given, ns=(1, 1))
    assert len(run_fleet(*arguments)[1]) == 1


def _addresses_of(name: str, document: dict) -> list[str]:
    return [ip for row in document["containers"] if row["name"] == name for ip in row["ips"]]
