"""Contract of a kind of tunnel: its number, its made capture, tshark's view of that, a valid report and a filter.

A kind added to TUNNEL_KINDS fails here until all of it is there. `python -m tests.made`,
`python -m tests.wire.expected` and `python -m tests.generated` make what is missing.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import jsonschema
import pytest

from capnet.analysis.engine import Options, study
from capnet.analysis.filters.parser import parse
from capnet.report.formats import html, table
from capnet.wire.protocols import KIND_OF_NAME, TUNNEL_KINDS
from capnet.wire.tunnel_kinds import TunnelKind
from tests.conftest import MADE, PROJECT
from tests.differential import our_rows
from tests.generated._schema import SCHEMA_FILE, schema_text
from tests.tshark import tshark_version
from tests.wire import tunnel_filters
from tests.wire.expected import stored
from tests.wire.tunnel_filters import report, suggestions

every_kind = pytest.mark.parametrize("kind", TUNNEL_KINDS, ids=lambda kind: kind.name)
every_capture = pytest.mark.parametrize(
    "name", [capture.name for capture in MADE if suggestions(capture)], ids=lambda name: name.partition(".")[0]
)

# Wireshark shows a fragmented carrier with its last fragment, capnet with the first one, which has the header.
FRAGMENTED = {"vxlan_fragments.pcap"}


def made(kind: TunnelKind) -> Path:
    """The made capture of a kind; the failure says how it is made."""
    capture = PROJECT / "tests" / "made" / f"{kind.name}.pcap"
    if not capture.is_file():
        pytest.fail(f"write tests/made/make_{kind.name}.py, then: python -m tests.made {kind.name}", pytrace=False)
    return capture


def test_kind_numbers_are_places_in_the_list() -> None:
    """Kernels have the numbers as constants; tables and reports go by the list."""
    assert [kind.number for kind in TUNNEL_KINDS] == list(range(1, len(TUNNEL_KINDS) + 1))
    assert len(TUNNEL_KINDS) < 16, "a flow's key has four bits for the kind"


def test_kind_names_and_titles_are_unique() -> None:
    assert len(KIND_OF_NAME) == len(TUNNEL_KINDS) == len({kind.title for kind in TUNNEL_KINDS})


@every_kind
def test_kind_is_decoded_in_its_made_capture(kind: TunnelKind) -> None:
    assert kind.name in {row.get("tunnel") for row in our_rows(made(kind), compiled=False)}


@every_kind
def test_kind_has_a_stored_view_of_tshark(kind: TunnelKind) -> None:
    _, rows = stored(made(kind))
    assert kind.name in {row.get("tunnel") for row in rows}
    assert kind.is_encrypted or kind.name in {row.get("via") for row in rows}


@every_kind
def test_kind_makes_a_report_that_keeps_the_schema(kind: TunnelKind) -> None:
    schema = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))
    document = report(made(kind))
    jsonschema.Draft202012Validator(schema).validate(document)
    assert kind.name in {tunnel["kind"] for tunnel in document["tunnels"]}


def test_schema_names_all_kinds() -> None:
    assert SCHEMA_FILE.read_text(encoding="utf-8") == schema_text(), "run: python -m tests.generated"


@every_kind
def test_kind_is_named_in_text_and_page(kind: TunnelKind) -> None:
    document = report(made(kind))
    tunnels = [tunnel for tunnel in document["tunnels"] if tunnel["kind"] == kind.name]
    text = table.render(document)
    assert any(f"{kind.titled(tunnel['vni'])} carries " in " ".join(text.split()) for tunnel in tunnels[:3])
    assert f">{kind.name}" in html.render(document)


@every_kind
def test_kind_is_found_by_its_words(kind: TunnelKind) -> None:
    """`vxlan`, `vni 4097` and `vxlan.vni == 4097` choose flows inside of the tunnel, or those that carry it."""
    context = study([made(kind)], options=Options(compiled=False)).context
    assert parse(kind.name).flows(context).any()
    numbers = {tunnel["vni"] for tunnel in report(made(kind))["tunnels"] if tunnel["kind"] == kind.name} - {None}
    if not numbers:
        return
    # A network with nothing but ARP inside has no flow of its own.
    by_word, *by_field = (
        {number: parse(f"{words} {number}").flows(context).tolist() for number in numbers}
        for words in (kind.id_name.lower(), *(f"{name} ==" for name in [*kind.id_fields][:1]))
    )
    assert all(by_word == flows for flows in by_field)
    assert any(any(flows) for flows in by_word.values())


def test_id_word_chooses_tunnels_of_its_kind_only() -> None:
    """`key` is of GRE, `teid` of GTP-U; `vni` is any kind's, as in the JSON."""
    context = study([made(KIND_OF_NAME["gre"])], options=Options(compiled=False)).context
    key, teid, vni = (parse(f"{word} 77").flows(context).tolist() for word in ("key", "teid", "vni"))
    assert any(key) and key == vni
    assert not any(teid)


@every_capture
def test_tunnel_filter_selects_the_frames_that_carry_it(name: str) -> None:
    capture = PROJECT / "tests" / "made" / name
    selected = tunnel_filters.stored()[1][name]
    assert set(selected) == set(suggestions(capture)), "run: python -m tests.wire.expected"
    for display_filter, suggestion in suggestions(capture).items():
        assert suggestion.frames
        if name not in FRAGMENTED:
            assert set(suggestion.frames) <= set(selected[display_filter]), display_filter


@every_kind
def test_tunnel_filter_selects_nothing_else_without_a_reason(kind: TunnelKind) -> None:
    """Exactly the frames that carry the tunnel, or more of them for the reason that the description gives."""
    selected = tunnel_filters.stored()[1][made(kind).name]
    selects_more = any(
        selected[display_filter] != suggestion.frames
        for display_filter, suggestion in suggestions(made(kind)).items()
        if suggestion.kind == kind.name
    )
    assert selects_more == bool(kind.filter_selects_also)


@pytest.mark.by_turns
@pytest.mark.skipif(not shutil.which("tshark"), reason="tshark is not installed: stored frames only")
@every_capture
def test_tshark_still_selects_what_is_stored(name: str) -> None:
    version, frames = tunnel_filters.stored()
    if tshark_version() != version:
        pytest.skip(f"stored by {version}, installed is {tshark_version()}")
    capture = PROJECT / "tests" / "made" / name
    for display_filter in suggestions(capture):
        assert tunnel_filters.selected(capture, display_filter) == frames[name][display_filter]
