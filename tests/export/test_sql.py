"""`capnet sql`, and the queries of docs/sql.md. Skipped where DuckDB is not installed."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner, Result

import capnet
from capnet.analysis.tables.library import Tables
from capnet.cli import cli
from capnet.cli.inputs import named_sources
from capnet.cli.sql import PROMPT
from capnet.errors import EnvironmentLacks, Exit, RefusedQuery, UnreadableInput, UsageError
from capnet.export.answers import render
from capnet.export.query import QueryResult
from tests.conftest import PROJECT

if TYPE_CHECKING:
    from capnet.export.query import Database

OVERLAY = PROJECT / "pcaps" / "overlay.pcapng"
DOCS = (PROJECT / "docs" / "sql.md").read_text(encoding="utf-8")
QUERIES = dict(re.findall(r"### (.+?)\n.*?```sql\n(.*?)```", DOCS, re.DOTALL))

needs_duckdb = pytest.mark.skipif(
    not any((Path(folder) / "duckdb").is_dir() for folder in sys.path),
    reason="heavy, and optional: pip install 'capnet[sql]'",
)


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli, ["sql", *map(str, arguments)])


def answer(query: str, *captures: Path) -> list[dict[str, object]]:
    result = run(*(captures or (OVERLAY,)), query, "--format", "json")
    assert result.exit_code == 0, (result.output, result.exception)
    rows: list[dict[str, object]] = json.loads(result.stdout)
    return rows


def test_documentation_has_ten_queries() -> None:
    assert len(QUERIES) >= 10


@needs_duckdb
@pytest.mark.parametrize(
    ("name", "text"), [("a.csv", "n\n1\n"), ("a.json", '[\n{"n": 1}\n]\n'), ("a.txt", "n\n-\n1\n")]
)
def test_format_is_that_of_the_outputs_name(name: str, text: str, tmp_path: Path) -> None:
    """A table for people stood in a file called .csv."""
    assert run(OVERLAY, "select 1 as n", "-o", tmp_path / name).exit_code == 0
    assert (tmp_path / name).read_text() == text


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((OVERLAY, "select 1", "-o", "a.parquet"), "this command writes table, csv, json, not parquet"),
        ((OVERLAY, "select 1", "-o", "a.csv", "--format", "json"), "contradict each other"),
        (("select 1",), "name a capture: capnet sql FILES"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(arguments: tuple[object, ...], says: str) -> None:
    result = run(*arguments)
    assert isinstance(result.exception, UsageError)
    assert says in str(result.exception)


@needs_duckdb
@pytest.mark.parametrize("title", QUERIES)
def test_query_of_the_documentation_has_an_answer(title: str) -> None:
    captures = [PROJECT / "pcaps" / f"{name}.pcapng" for name in ("overlay", "bridge")]
    assert answer(QUERIES[title], *captures), title


@needs_duckdb
def test_frames_are_counted_by_vni() -> None:
    """As tshark counts them: 62 frames inside VNI 4097's carriers."""
    rows = answer("select vni, count(*) as frames from frames group by 1 order by 1 nulls first")
    assert rows == [{"vni": None, "frames": 387}, {"vni": 4097, "frames": 62}]


@needs_duckdb
def test_tables_are_joined_and_read_again() -> None:
    query = "select count(*) as n from flows f join conversations c on f.flow = c.flow join flows g on g.flow = c.reply"
    assert answer(query)[0]["n"] == answer("select count(*) as n from conversations where reply is not null")[0]["n"]


@needs_duckdb
def test_query_comes_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "q.sql"
    file.write_text("select kind from tunnels limit 1; select 1 as one")
    result = run(OVERLAY, "-f", file)
    assert result.stdout == "kind\n-----\nvxlan\none\n---\n  1\n"


@needs_duckdb
def test_formats_escape_what_packets_hold() -> None:
    query = "select '=1+1' as a, chr(27) || '[2J' as b, -1 as c, null as d, [1, 2] as e"
    assert run(OVERLAY, query, "--format", "csv").stdout == "a,b,c,d,e\n'=1+1,\\x1b[2J,-1,,1 2\n"
    assert "\x1b" not in run(OVERLAY, query).stdout
    assert json.loads(run(OVERLAY, query, "--format", "json").stdout)[0]["b"] == "\x1b[2J"


@needs_duckdb
def test_times_keep_their_nanoseconds() -> None:
    """Of the first frame, as tshark prints them; DuckDB's datetimes end at microseconds."""
    query = "select time, [time] as times, first from frames, flows order by time, first limit 1"
    (row,) = answer(query)
    assert row["time"] == "2026-11-24T00:32:47.409216280Z"
    assert row["times"] == [row["time"]] and row["first"] == row["time"]
    assert (
        row["time"] in run(OVERLAY, query).stdout and str(row["time"]) in run(OVERLAY, query, "--format", "csv").stdout
    )


@needs_duckdb
def test_order_and_comments_of_a_query_with_times_stay() -> None:
    rows = answer("select time, frame from frames where depth = 0 order by frame desc -- the last first ;\n")
    frames = [row["frame"] for row in rows]
    assert len(frames) == 387 and frames == sorted(frames, key=int, reverse=True)


@needs_duckdb
def test_json_has_no_values_that_json_lacks() -> None:
    result = run(
        OVERLAY, "select 'nan'::float as a, [1 / 0] as b, {'c': 1, 'd': null} as e, 1.50 as f", "--format", "json"
    )
    rows = json.loads(result.stdout, parse_constant=lambda name: pytest.fail(name))
    assert rows == [{"a": None, "b": [None], "e": {"c": 1, "d": None}, "f": 1.5}]


@needs_duckdb
def test_columns_of_one_name_all_stay_in_json() -> None:
    assert answer("select 1 as a, 2 as a, 3 as a_1, 4 as a") == [{"a": 1, "a_1": 2, "a_1_1": 3, "a_2": 4}]


@needs_duckdb
def test_large_numbers_are_written_with_all_digits() -> None:
    assert run(OVERLAY, "select 1795480367.409216::double as t").stdout.split() == ["t", "-" * 17, "1795480367.409216"]


@needs_duckdb
def test_file_that_is_not_there_is_told_before_a_query(tmp_path: Path) -> None:
    """A query that needs no table of it would have an answer."""
    assert isinstance(run(OVERLAY, tmp_path / "typo.pcap", "select 1 as one").exception, UnreadableInput)


@needs_duckdb
def test_query_comes_from_standard_input() -> None:
    result = CliRunner().invoke(cli, ["sql", str(OVERLAY), "-f", "-"], input="select 7 as seven;")
    assert result.stdout == "seven\n-----\n    7\n"
    assert isinstance(CliRunner().invoke(cli, ["sql", "-", "-f", "-"]).exception, UsageError)


@needs_duckdb
def test_variables_of_capnet_are_no_tables() -> None:
    result = run(OVERLAY, "select * from query")
    assert "Python" not in str(result.exception) and isinstance(result.exception, RefusedQuery)


def test_table_wider_than_the_terminal_is_a_block_for_each_row() -> None:
    rows = [["web", None, 80], ["a name that is long", [1, 2], None]]
    answer = QueryResult(["name", "ids", "port"], iter(rows))
    text = "".join(render(answer, "table", 20))
    assert text == "--- row 1 ---\nname  web\nport  80\n--- row 2 ---\nname  a name that is long\nids   1, 2\n"
    assert "".join(render(QueryResult(["name", "ids", "port"], iter(rows)), "table", 80)).startswith("name  ")


@needs_duckdb
def test_refused_query_names_columns_and_tables() -> None:
    result = run(OVERLAY, "select nothing from nat")
    assert isinstance(result.exception, RefusedQuery)
    assert "Candidate bindings" in str(result.exception) and "conversations" in str(result.exception)


@needs_duckdb
def test_times_that_are_subtracted_are_told_what_to_write() -> None:
    """DuckDB has no difference of times with nanoseconds, and lists 50 functions that are none."""
    result = run(OVERLAY, "select max(time) - min(time) from frames")
    assert isinstance(result.exception, RefusedQuery)
    says = str(result.exception)
    assert "epoch_ns(time) is a number that can be subtracted" in says
    assert "Candidate" not in says and len(says.splitlines()) <= 3
    with capnet.open_capture(OVERLAY) as capture:
        times = capture.frames()["time"]
    written = answer("select max(epoch_ns(time)) - min(epoch_ns(time)) as ns from frames")
    assert written == [{"ns": max(times) - min(times)}]


@needs_duckdb
def test_list_of_functions_is_left_out_of_any_refusal() -> None:
    result = run(OVERLAY, "select src - dst from frames")
    assert isinstance(result.exception, RefusedQuery)
    assert "epoch_ns" not in str(result.exception) and "\t" not in str(result.exception)
    assert len(str(result.exception).splitlines()) <= 3


@needs_duckdb
def test_unreadable_capture_is_told_in_a_query(tmp_path: Path) -> None:
    broken = tmp_path / "broken.pcap"
    broken.write_bytes(b"nothing")
    result = run(broken, "select count(*) from frames")
    assert isinstance(result.exception, UnreadableInput)
    assert str(result.exception).startswith(f"{broken}: ")


@needs_duckdb
@pytest.mark.parametrize("end", [b"\x04", b"exit\n"], ids=["Ctrl-D", "exit"])
def test_prompt_answers_until_the_end_of_input(end: bytes) -> None:
    """On a terminal of its own: a query over two lines, one that is refused, words of other prompts, and the end."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "capnet", "sql", str(OVERLAY)]
    environment = os.environ | {"TERM": "dumb", "PYTHONPATH": str(PROJECT)}
    with subprocess.Popen(
        command, stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        os.close(theirs)
        os.write(
            ours, b"select kind\nfrom tunnels limit 1;\nselect x from nat;\n.tables\nhelp\n\nselect 7 as seven;\n" + end
        )
        out, error = process.communicate(timeout=60)
        os.close(ours)
    assert process.returncode == 0
    assert "vxlan" in out and "seven" in out
    assert "conversations" in out  # of .tables
    assert "Candidate bindings" in error and error.count("Ctrl-D leaves") == 2


# -- interruptions --------------------------------------------------------------------------------------
ENDLESS = "select 1 as begun; select count(*) from range(1000000) a, range(1000000) b, range(1000000) c"


@contextmanager
def asking(*words: str, stdin: int) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """`capnet sql` that prints to a terminal, whose other end is given."""
    terminal, theirs = pty.openpty()
    environment = os.environ | {"TERM": "dumb", "PYTHONPATH": str(PROJECT)}
    command = [sys.executable, "-m", "capnet", "sql", *words]
    with subprocess.Popen(
        command, stdin=stdin, stdout=theirs, stderr=subprocess.PIPE, env=environment,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # tests in the background have it ignored
    ) as process:  # fmt: skip
        os.close(theirs)
        try:
            yield process, terminal
        finally:
            process.kill()
            os.close(terminal)


def read_until(terminal: int, words: bytes) -> None:
    text = b""
    while words not in text:
        assert select.select([terminal], [], [], 60)[0], text
        text += os.read(terminal, 4096)


@needs_duckdb
def test_interrupted_query_of_a_file_says_so() -> None:
    with asking(str(OVERLAY), ENDLESS, stdin=subprocess.DEVNULL) as (process, terminal):
        read_until(terminal, b"-----\r\n")
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == Exit.INTERRUPTED
        assert process.stderr and process.stderr.read() == b"\ncapnet: interrupted\n"


@needs_duckdb
def test_interrupt_at_any_line_ends_the_query() -> None:
    """None is lost or becomes another error, wherever it comes; the next query has its answer."""
    from capnet.export.query import Database

    database = Database(Tables(list(named_sources((str(OVERLAY),))), None, 0, ""))
    lines = interrupted_at_line(database, 1_000_000)
    assert lines > 10
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        for line in range(1, lines + 1):
            with pytest.raises(KeyboardInterrupt):
                interrupted_at_line(database, line)
            assert [list(answer.rows) for answer in database.ask("select 7")] == [[[7]]]
    finally:
        signal.signal(signal.SIGINT, before)


def interrupted_at_line(database: Database, number: int) -> int:
    """Asks a query, and sends SIGINT at the line of Python with this number; how many lines were run."""
    run = 0

    def trace(frame: FrameType, event: str, value: object) -> Any:
        nonlocal run
        run += event == "line"
        if event == "line" and run == number:
            sys.settrace(None)
            signal.raise_signal(signal.SIGINT)
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        for answer in database.ask("select count(*) from range(1000)"):
            assert [list(row) for row in answer.rows] == [[1000]]
    finally:
        sys.settrace(before)
    return run


@needs_duckdb
def test_second_interrupt_ends_a_query_of_a_stream() -> None:
    """The stream does not end, and DuckDB waits for it."""
    query = "select 1 as begun; select count(*) from frames"
    with asking("-", query, stdin=subprocess.PIPE) as (process, terminal):
        assert process.stdin and process.stderr
        process.stdin.write(OVERLAY.read_bytes())
        process.stdin.flush()
        read_until(terminal, b"-----\r\n")
        process.send_signal(signal.SIGINT)
        assert process.stderr.readline().endswith(b"Ctrl-C again stops that\n")
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == Exit.INTERRUPTED


@needs_duckdb
def test_interrupted_query_leaves_the_prompt() -> None:
    ours, theirs = pty.openpty()
    with asking(str(OVERLAY), stdin=theirs) as (process, terminal):
        os.close(theirs)
        os.write(ours, ENDLESS.encode() + b";\n")
        read_until(terminal, b"-----\r\n")
        process.send_signal(signal.SIGINT)
        read_until(terminal, PROMPT.encode())
        os.write(ours, b"select kind from tunnels limit 1;\n")
        read_until(terminal, b"vxlan\r\n" + PROMPT.encode())
        os.write(ours, b"\x04")
        assert process.wait(30) == Exit.OK
    os.close(ours)


@needs_duckdb
def test_stream_read_twice_is_refused() -> None:
    query = "select count(*) from frames; select count(*) from flows"
    done = subprocess.run(
        [sys.executable, "-m", "capnet", "sql", "-", query], input=OVERLAY.read_bytes(), capture_output=True,
        env=os.environ | {"PYTHONPATH": str(PROJECT)}, check=False,
    )  # fmt: skip
    assert (done.returncode, b"449" in done.stdout) == (Exit.USAGE, True)
    assert done.stderr == b"capnet: standard input can be read once, and this needs it twice; save it to a file first\n"


def test_no_query_without_a_terminal_is_refused() -> None:
    pytest.importorskip("duckdb", reason="heavy, and optional: pip install 'capnet[sql]'")
    assert "no query" in str(run(OVERLAY).exception)


def test_missing_file_is_no_query() -> None:
    pytest.importorskip("duckdb", reason="heavy, and optional: pip install 'capnet[sql]'")
    result = run(OVERLAY, "missing.pcap", "select 1 from frames")
    assert "missing.pcap" in str(result.exception)


def test_missing_library_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "duckdb", None)
    result = run(OVERLAY, "select 1 from frames")
    assert isinstance(result.exception, EnvironmentLacks)
    assert "pip install 'capnet[sql]'" in str(result.exception)


def test_nothing_to_read_is_refused() -> None:
    assert isinstance(run().exception, UsageError)
