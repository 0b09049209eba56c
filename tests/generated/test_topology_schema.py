"""The JSON Schema of topologies: what the classes say now, and all stored topologies are valid by it."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest

from capnet.record.saved.saved_outputs import topology_of_files
from tests.conftest import PROJECT
from tests.generated.topology import SCHEMA_FILE, schema_text

SCHEMA = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))
CHECK = jsonschema.Draft202012Validator(SCHEMA)
STORED = sorted((PROJECT / "pcaps").rglob("*.topology.json"))


def test_topology_schema_is_what_the_code_says() -> None:
    """Where this fails: python -m tests.generated, and look at the difference."""
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA_FILE.read_text(encoding="utf-8") == schema_text()


def test_stored_topologies_are_valid() -> None:
    assert len(STORED) > 100
    for file in STORED:
        errors = [error.message for error in CHECK.iter_errors(json.loads(file.read_text(encoding="utf-8")))]
        assert errors == [], file.name


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("schema",), "capnet.report/1"),
        (("hosts", 0, "name"), 7),
        (("hosts", 0, "interfaces", 0, "ifindex"), "2"),
        (("containers", 0, "endpoints", 0, "mac"), "172.17.0.2"),
        (("networks", 0, "vni"), "4097"),
        (("hosts",), {}),
    ],
)
def test_topology_with_a_wrong_value_is_invalid(path: tuple[Any, ...], value: Any) -> None:
    """The loader refuses the same."""
    text = STORED[0].read_text(encoding="utf-8")
    document = json.loads(text)
    *above, last = path
    part = document
    for key in above:
        part = part[key]
    part[last] = value
    assert list(CHECK.iter_errors(document))


def test_topology_of_recorded_outputs_is_valid() -> None:
    """It has the keys that no stored recording has: namespaces, services, routes, neighbours, outputs."""
    topology, _ = topology_of_files([PROJECT / "tests" / "record" / "saved" / "two-hosts.tar.gz"])
    document = json.loads(topology.to_json())
    assert list(CHECK.iter_errors(document)) == []
    assert {"namespaces", "services"} <= set(document)
    assert {"routes", "neighbours", "outputs", "surveyed"} <= set(document["hosts"][0])
