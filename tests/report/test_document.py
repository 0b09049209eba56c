"""The JSON contract: what the document says, in which order, and that the schema would notice if it did not."""

from __future__ import annotations

import copy
import json
import random
from dataclasses import fields, replace

import jsonschema
import pytest

from capnet.analysis.core import results
from capnet.analysis.core.contract import model, outcomes
from capnet.analysis.core.contract.document import iso_time, short_names
from capnet.analysis.core.contract.report import SECTIONS
from capnet.report.formats import json as json_format
from tests.conftest import PROJECT
from tests.report import sample

SCHEMA = json.loads((PROJECT / "capnet" / "report" / "schema.json").read_text(encoding="utf-8"))
CHECK = jsonschema.Draft202012Validator(SCHEMA)
REPORTS = [sample.empty, sample.bridge, sample.overlay, sample.hostile]


@pytest.mark.parametrize("make", REPORTS)
def test_document_of_every_sample_fits_schema(make):
    CHECK.validate(json.loads(json_format.render(make().to_dict())))


def test_schema_is_a_valid_schema():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_schema_knows_every_field_of_the_facts():
    """A field added to a fact must be added to the schema, and a key of the schema must come from a fact."""
    definitions = SCHEMA["$defs"] | {
        "coverage": SCHEMA["properties"]["coverage"],
        "flows": SCHEMA["properties"]["flows"],
    }
    pairs = {
        "input": results.Input, "point": results.Point, "model": model.Model, "station": results.Station,
        "macVerdict": results.MacVerdict, "nat": results.Nat, "side": results.Side, "proxy": outcomes.Proxy,
        "tunnel": results.Tunnel,
        "path": results.Path, "hop": results.Hop, "flow": results.Flow, "finding": results.Finding,
        "answer": results.Answer, "fate": outcomes.Fate,
        "icmpError": outcomes.IcmpErrorMessage, "quotedPacket": outcomes.QuotedPacket, "neighbour": outcomes.Neighbour,
        "coverage": results.Coverage, "flows": results.Flows,
    }  # fmt: skip
    for key, fact in pairs.items():
        assert set(definitions[key]["properties"]) == {each.name.rstrip("_") for each in fields(fact)}, key


def test_document_times_durations_and_ids_fit_contract():
    plain = sample.bridge().to_dict()
    assert plain["inputs"][0]["first"] == "2026-11-23T22:14:03.000000001Z"
    assert plain["inputs"][0]["last"] == "2026-11-23T22:14:07.200000001Z"
    tcp, dnat, icmp = plain["nat"]
    assert (tcp["kind"], dnat["kind"], icmp["proto"]) == ("snat", "dnat", "icmp")
    assert icmp["before"] == {
        "src": "172.17.0.2", "sport": None, "dst": "192.168.111.129", "dport": None, "point": "A/docker0", "id": 4242
    }  # fmt: skip
    assert icmp["after"]["id"] == 51554
    assert "id" not in tcp["before"]
    assert tcp["latency_us"] == {"min": 20.123, "median": 31, "p99": 60, "max": 61}
    assert dnat["evidence"] == [
        {"point": "A/ens33", "file": "pcaps/bridge.pcapng", "frame": 3},
        {"point": "A/docker0", "file": "pcaps/bridge.pcapng", "frame": 2},
    ]
    icmp_path = next(each for each in plain["paths"] if each["proto"] == "icmp")
    assert icmp_path["flow"]["id"] == 4242
    assert [each["id"] for each in icmp_path["hops"]] == [4242, 51554]


def test_evidence_is_at_most_ten_frames_none_twice():
    evidence = sample.at("A/ens33", *range(1, 40)) * 2
    report = sample.changed(sample.bridge(), {"nat": sample.bridge().nat[:1], "nat.0.evidence": evidence})
    assert [each["frame"] for each in report.to_dict()["nat"][0]["evidence"]] == list(range(1, 11))


def test_document_order_ignores_order_of_facts():
    expected = json_format.render(sample.bridge().to_dict())
    shuffled = sample.bridge()
    for seed in range(5):
        for section in set(SECTIONS) - {"flows"}:
            random.Random(seed).shuffle(getattr(shuffled, section))
        random.Random(seed).shuffle(shuffled.flows.top)
        named = replace(shuffled, names=dict(reversed(shuffled.names.items())))
        assert json_format.render(named.to_dict()) == expected


def test_document_only_keeps_head_and_chosen_sections():
    plain = sample.bridge().to_dict(only=["nat"])
    assert {"schema", "made_by", "inputs", "points", "coverage", "nat"} <= set(plain)
    assert not set(SECTIONS) - {"nat"} & set(plain)
    CHECK.validate(plain)


def test_document_has_no_absolute_path():
    file = "/home/someone/captures/bridge.pcapng"
    evidence = sample.at("A/ens33", 3, file=file)
    report = sample.changed(sample.bridge(), {"inputs.0.file": file, "points.0.file": file, "nat.0.evidence": evidence})
    text = json_format.render(report.to_dict())
    assert "someone" not in text
    assert '"file": "bridge.pcapng"' in text


def test_files_of_one_name_stay_apart():
    assert short_names(["/x/a/cap.pcap", "/x/b/cap.pcap", "rel/cap.pcap", "-"]) == {
        "/x/a/cap.pcap": "a/cap.pcap",
        "/x/b/cap.pcap": "b/cap.pcap",
        "rel/cap.pcap": "rel/cap.pcap",
        "-": "-",
    }


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (0, "1970-01-01T00:00:00.000000000Z"),
        (1_000_000_001, "1970-01-01T00:00:01.000000001Z"),
        (2**63 - 1, "2262-04-11T23:47:16.854775807Z"),
    ],
)
def test_iso_time_has_nanoseconds(nanoseconds, text):
    assert iso_time(nanoseconds) == text


def test_document_writes_numpy_scalars_as_numbers():
    numpy = pytest.importorskip("numpy")
    values = {
        "nat.0.packets": numpy.int64(11),
        "nat.0.reply_seen": numpy.bool_(True),
        "nat.0.confidence": numpy.float64("nan"),
    }
    report = sample.changed(sample.bridge(), values)
    row = next(each for each in report.to_dict()["nat"] if each["kind"] == "dnat")
    assert (type(row["packets"]), type(row["reply_seen"]), row["confidence"]) == (int, bool, None)


def _set(path: str, value: object):
    """A change to the document: `nat.0.kind`; with `...` as value the key is removed."""

    def change(plain: dict) -> None:
        *parents, last = [int(part) if part.isdigit() else part for part in path.split(".")]
        place = plain
        for part in parents:
            place = place[part]
        if value is ...:
            del place[last]
        else:
            place[last] = value

    return pytest.param(change, id=f"{path}={value!r}")


@pytest.mark.parametrize(
    "damage",
    [
        _set("schema", "capnet.report/2"),
        _set("coverage", ...),
        _set("nat.0.kind", "masquerade"),
        _set("nat.0.packets", "24"),
        _set("nat.0.packets", -1),
        _set("nat.0.ttl", -1),
        _set("nat.0.before.sport", None),
        _set("nat.0.before.sport", 65536),
        _set("nat.0.before.src", "web"),
        _set("nat.0.before.id", 1),
        _set("nat.2.before.id", ...),
        _set("nat.2.before.sport", 80),
        _set("nat.0.latency_us.median", ...),
        _set("nat.0.evidence.0.frame", 0),
        _set("nat.0.evidence.0.file", "/etc/x.pcap"),
        _set("points.0.role", "nic"),
        _set("inputs.0.first", "2026-11-23 22:14:03"),
        _set("inputs.0.compression", "bzip2"),
        _set("findings.0.level", "fatal"),
        _set("findings.0.name", "MTU blackhole"),
        _set("stations.0.mac", "02-42-ac-11-00-02"),
        _set("paths.0.ends", "gone"),
        _set("paths.0.hops.1.ttl", 256),
        _set("flows.top.0.first", None),
        _set("models.0.confidence", 1.1),
        _set("coverage.undecoded", []),
        _set("extra", 1),
    ],
)
def test_schema_notices_damage(damage):
    plain = copy.deepcopy(sample.bridge().to_dict())
    damage(plain)
    assert not CHECK.is_valid(plain)
