"""pyarrow, Polars, DuckDB and pandas read the same capture with equal sums. Skipped where they are not installed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import capnet
from tests.conftest import GOLDENS

EXTRA = "heavy, and optional: pip install 'capnet[export,sql]' pandas polars"

EMPTY_PCAP = bytes.fromhex("d4c3b2a1 02000400 00000000 00000000 ffff0000 01000000")

Sums = tuple[int, int, int, dict[str, int]]  # rows, payload, last time, rows by source address


def expected(capture: Path) -> Sums:
    rows = payload = last = 0
    by_source: dict[str, int] = {}
    with capnet.open_capture(capture) as opened:
        for row in opened.frames():
            rows, payload, last = rows + 1, payload + (row["payload"] or 0), max(last, row["time"])
            if row["src"] is not None:
                by_source[row["src"]] = by_source.get(row["src"], 0) + 1
    return rows, payload, last, by_source


def by_pyarrow(table: Any) -> Sums:
    pyarrow = pytest.importorskip("pyarrow", reason=EXTRA)
    compute = pytest.importorskip("pyarrow.compute", reason=EXTRA)
    read = pyarrow.table(table)
    counts = {item["values"]: item["counts"] for item in compute.value_counts(read["src"].cast("string")).to_pylist()}
    counts.pop(None, None)
    last = compute.max(read["time"]).value
    return read.num_rows, compute.sum(read["payload"]).as_py() or 0, last, counts


def by_polars(table: Any) -> Sums:
    polars = pytest.importorskip("polars", reason=EXTRA)
    read = polars.DataFrame(table)
    counts = dict(read["src"].drop_nulls().cast(polars.String).value_counts().iter_rows())
    return len(read), read["payload"].sum(), read["time"].dt.timestamp("ns").max(), counts


def by_pandas(table: Any) -> Sums:
    pytest.importorskip("pandas", reason=EXTRA)
    read = table.to_pandas()
    counts = read["src"].value_counts()
    return len(read), int(read["payload"].sum()), read["time"].max().value, counts[counts > 0].to_dict()


def by_duckdb(table: Any) -> Sums:
    duckdb = pytest.importorskip("duckdb", reason=EXTRA)
    connection = duckdb.connect()
    connection.register("frames", table)
    connection.execute(
        "create table kept as select src, payload, epoch_ns(cast(time as timestamp_ns)) as ns from frames"
    )
    rows = connection.execute("select src, count(*), sum(payload), max(ns) from kept group by 1").fetchall()
    counts = {source: count for source, count, *_ in rows if source is not None}
    payload = int(sum(size or 0 for _, _, size, _ in rows))
    return sum(count for _, count, *_ in rows), payload, max(ns for *_, ns in rows), counts


@pytest.mark.by_turns
@pytest.mark.parametrize("capture", GOLDENS, ids=lambda path: path.stem)
@pytest.mark.parametrize("read", [by_pyarrow, by_polars, by_pandas, by_duckdb])
def test_reader_has_the_same_sums(read: Any, capture: Path) -> None:
    with capnet.open_capture(capture) as opened:
        assert read(opened.frames()) == expected(capture)


@pytest.mark.parametrize("name", ["nat", "tunnels", "stations", "paths", "findings", "points"])
def test_facts_are_data_frames_and_arrow_tables(name: str) -> None:
    pytest.importorskip("pandas", reason=EXTRA)
    pyarrow = pytest.importorskip("pyarrow", reason=EXTRA)
    facts = getattr(capnet.analyze(next(path for path in GOLDENS if path.stem == "overlay")), name)
    frame = facts.to_pandas()
    assert list(frame.columns) == facts.columns == facts.to_arrow().column_names
    polars = pytest.importorskip("polars", reason=EXTRA)
    duckdb = pytest.importorskip("duckdb", reason=EXTRA)
    assert polars.DataFrame(facts).columns == facts.columns
    assert duckdb.sql("select count(*) from facts").fetchall() == [(len(frame),)]
    assert len(frame) == pyarrow.table(facts).num_rows == len(list(facts.table)) >= 1


@pytest.mark.parametrize("name", ["frames", "flows", "stations"])
@pytest.mark.parametrize("binary", [False, True], ids=["text", "binary"])
def test_columns_without_rows_have_their_types(name: str, binary: bool, tmp_path: Path) -> None:
    """Sums, times and groups of a capture in which nothing was heard work as those of any other."""
    pytest.importorskip("pandas", reason=EXTRA)
    empty = tmp_path / "empty.pcap"
    empty.write_bytes(EMPTY_PCAP)
    table = capnet.tables(empty, binary=binary)[name]
    frame = table.to_pandas()
    assert len(frame) == 0 and list(frame.columns) == table.columns
    for column, kind in table.dtypes.items():
        expected = {"string": "category", "timestamp[ns, UTC]": "datetime64[ns, UTC]"}.get(kind, kind)
        if not kind.startswith(("list<", "fixed_size_binary[16]")):
            assert str(frame[column].dtype) == expected, column


def test_texts_in_pandas_are_sorted_and_counted_as_texts() -> None:
    """pandas sorts by the order of categories, and counts those that no row has: of 257 protocols 5 are there."""
    pandas = pytest.importorskip("pandas", reason=EXTRA)
    table = capnet.tables(next(path for path in GOLDENS if path.stem == "overlay"))["frames"]
    frame = table.to_pandas()
    assert frame["proto"].value_counts().to_dict() == pandas.Series(table["proto"]).value_counts().to_dict()
    for name in ("src", "smac", "point"):
        assert frame.sort_values(name)[name].dropna().tolist() == sorted(filter(None, table[name])), name


@pytest.mark.parametrize("name", ["proto", "tunnel", "via", "undecoded"])
def test_dictionaries_hold_what_is_there(name: str) -> None:
    pyarrow = pytest.importorskip("pyarrow", reason=EXTRA)
    column = pyarrow.table(capnet.tables(next(path for path in GOLDENS if path.stem == "overlay"))["frames"])[name]
    for chunk in column.chunks:
        assert sorted(chunk.dictionary.to_pylist()) == sorted(set(chunk.to_pylist()) - {None})


def test_difference_of_ttls_may_be_negative() -> None:
    """Unsigned, pandas and Polars make 255 of 63 - 64, and DuckDB refuses."""
    pytest.importorskip("pandas", reason=EXTRA)
    duckdb = pytest.importorskip("duckdb", reason=EXTRA)
    polars = pytest.importorskip("polars", reason=EXTRA)
    flows = capnet.tables(next(path for path in GOLDENS if path.stem == "bridge"))["flows"]
    expected = {(a, b): a - b for a in flows["ttl"] for b in flows["ttl_max"]}
    assert min(expected.values()) < 0
    frame = flows.to_pandas()
    assert (frame["ttl"].min() - frame["ttl_max"]).min() == min(expected.values())
    read = polars.DataFrame(flows)
    assert (read["ttl"].min() - read["ttl_max"]).min() == min(expected.values())
    asked = duckdb.sql("select min(a.ttl - b.ttl_max) from flows a, flows b").fetchall()
    assert asked == [(min(expected.values()),)]


def test_vlan_ids_of_stations_are_numbers() -> None:
    """They are compared with those of frames, without a cast."""
    duckdb = pytest.importorskip("duckdb", reason=EXTRA)
    tables = capnet.tables(next(path for path in GOLDENS if path.stem == "macvlan-vlan"))
    stations, frames = tables["stations"], tables["frames"]
    connection = duckdb.connect()
    connection.register("stations", stations)
    connection.register("frames", frames)
    asked = connection.execute(
        "select distinct unnest(vlan) from stations intersect select vlan from frames where vlan is not null"
    ).fetchall()
    expected = {vlan for vlan in frames["vlan"] if vlan is not None}
    assert expected == {10} == {vlan for (vlan,) in asked}
    assert {vlan for row in stations for vlan in row["vlan"]} == expected
