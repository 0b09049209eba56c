"""The JSON Schema of witnesses: what the classes say now, and all stored files are valid by it."""

from __future__ import annotations

import json

import jsonschema

from tests.conftest import PROJECT
from tests.generated.witnesses import SCHEMA_FILE, schema_text

STORED = sorted(PROJECT.glob("pcaps/**/*.witnesses.json")) + sorted(PROJECT.glob("tests/**/*.witnesses.json"))


def test_witnesses_schema_is_what_the_code_says() -> None:
    """Where this fails: python -m tests.generated, and look at the difference."""
    assert SCHEMA_FILE.read_text(encoding="utf-8") == schema_text()


def test_stored_witnesses_are_valid() -> None:
    """Files from before a key was added lack it: a reader takes its default."""
    check = jsonschema.Draft202012Validator(json.loads(SCHEMA_FILE.read_text(encoding="utf-8")))
    assert len(STORED) > 10
    for file in STORED:
        document = json.loads(file.read_text(encoding="utf-8"))
        assert [error.message for error in check.iter_errors(document)] == [], file.name
        document["namespaces"][0]["before"] = {"outputs": []}
        assert list(check.iter_errors(document))
