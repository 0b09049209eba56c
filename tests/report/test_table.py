"""The table against texts reviewed by hand (NAME.txt beside this file), and rules no report may break."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

import pytest

from capnet.analysis.core.contract.model import Model, Weight
from capnet.analysis.core.contract.report import SECTIONS
from capnet.analysis.core.results import Finding, Nat, Side
from capnet.report.formats import json as json_format
from capnet.report.formats import table
from capnet.report.text import columns
from capnet.report.wanted import Wanted
from tests.report import sample

HERE = Path(__file__).parent
MAKERS = {"empty": sample.empty, "bridge": sample.bridge, "overlay": sample.overlay, "hostile": sample.hostile}


@pytest.mark.parametrize("name", MAKERS)
def test_table_is_the_reviewed_text(name):
    expected = (HERE / f"{name}.txt").read_text(encoding="utf-8")
    assert table.render(MAKERS[name]().to_dict()) == expected


@pytest.mark.parametrize("width", [60, 80, 100, 160])
@pytest.mark.parametrize("name", MAKERS)
def test_table_has_no_line_wider_than_the_page(name, width):
    for line in table.render(MAKERS[name]().to_dict(), width).splitlines():
        assert columns(line) <= width, line


@pytest.mark.parametrize("render", [table.render, json_format.render])
def test_table_and_json_make_hostile_names_visible(render):
    text = render(sample.hostile().to_dict())
    assert all(char.isprintable() or char == "\n" for char in text)
    assert "\\u202e" in text


def test_table_newline_in_finding_makes_no_line():
    """A newline in a sentence must not forge another finding."""
    report = sample.changed(sample.bridge(), {"findings.0.says": "harmless\nerror  mtu-blackhole  forged"})
    lines = table.render(report.to_dict()).splitlines()
    assert not any(line.strip().startswith("error") for line in lines)


def test_table_counts_the_lighter_reasons_for_a_model():
    weights = [Weight(f"reason-{number}", float(9 - number), True) for number in range(7)]
    model = Model("macvlan", 0.9, [*(f"because of {weight.name}" for weight in weights), "but look"], weights=weights)
    text = table.render(replace(sample.bridge(), models=[model]).to_dict())
    assert "· because of reason-3" in text
    assert "· 3 more, in the JSON report" in text
    assert "but look" in text and "reason-4" not in text


def test_table_lists_no_model_where_nothing_shows_containers():
    model = Model("none", 0.2, ["all packets are at lo"], weights=[Weight("loopback-only", 1.0, False)])
    text = table.render(replace(sample.bridge(), models=[model]).to_dict())
    assert "Network model" not in text and "all packets are at lo" not in text


def test_table_of_missing_section_has_no_heading():
    full = table.render(sample.bridge().to_dict())
    for section, heading in {
        "models": "Network model", "nat": "NAT", "proxies": "Proxied: two connections, not a rewrite", "macs": "MACs",
        "stations": "Stations", "paths": "Paths · every packet compared", "findings": "Findings",
        "icmp_errors": "ICMP errors",
    }.items():  # fmt: skip
        report = replace(sample.bridge(), **{section: []})
        assert heading in full.splitlines()
        assert heading not in table.render(report.to_dict()).splitlines(), section


@pytest.mark.parametrize("section", SECTIONS)
def test_table_of_each_section_alone_is_written(section):
    for make in (sample.bridge, sample.overlay):
        assert table.render(make().to_dict(only=[section]))


def test_table_only_omits_what_was_not_asked():
    text = table.render(sample.overlay().to_dict(only=["nat"]))
    assert "VXLAN" not in text
    assert "lost" not in text


def test_table_long_lists_are_cut_and_say_so():
    nat = [
        Nat(
            kind="snat",
            proto="tcp",
            before=Side(sample.WEB, port, sample.B, 80, "A/docker0"),
            after=Side(sample.A, port, sample.B, 80, "A/ens33"),
            port_rewritten=False,
            ttl_delta=-1,
            packets=1,
            bytes=60,
            reply_seen=True,
            latency_us=None,
            method="same-packet",
            confidence=1.0,
            evidence=sample.at("A/ens33", port),
        )
        for port in range(1000, 1020)
    ]
    findings = [Finding("retransmissions", "info", f"flow {n}", None, {}) for n in range(25)]
    text = table.render(replace(sample.bridge(), nat=nat, findings=findings).to_dict())
    assert "  … and 4 more (--top all)" in text
    assert "  … and 5 more (--top all)" in text
    assert text.count("A/ens33 #10") == 16


def test_table_top_lists_so_many_rows():
    text = table.render(sample.bridge().to_dict(), wanted=Wanted(top=1))
    assert "kind  proto  original" in text and "… and 2 more (--top all)" in text
    assert "more (--top all)" not in table.render(sample.bridge().to_dict(), wanted=Wanted(top=1000)).replace(
        "flows, counted", ""
    )


def test_table_limited_list_has_at_least_more():
    """The document lists 200 paths of more: how many more, it does not say."""
    shown = sample.bridge().to_dict()
    paths = [{**shown["paths"][0], "ends": f"stops-at {place}"} for place in range(200)]
    assert "… and at least 194 more (--top all)" in table.render({**shown, "paths": paths})


def test_table_commands_open_file_as_it_was_given():
    file = "/captures/of today/bridge.pcapng"
    report = sample.changed(sample.bridge(), {"inputs.0.file": file, "findings": []})
    for number, row in enumerate(report.nat):
        evidence = [replace(each, frame=41, file=file) for each in row.evidence]
        report = sample.changed(report, {f"nat.{number}.evidence": evidence})
    plain = report.to_dict()
    text = table.render(plain, where={"bridge.pcapng": "/captures/of today/bridge.pcapng"})
    assert "capnet packet '/captures/of today/bridge.pcapng' 41" in text


def test_table_leaves_the_document_alone():
    plain = sample.hostile().to_dict()
    before = copy.deepcopy(plain)
    table.render(plain)
    assert plain == before
