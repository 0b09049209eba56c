"""What findings read of payload, `READS`, is what `capnet reduce` leaves its form.

A finding depends on a field of `Context` if it is not told any more of a stored capture when that field is empty.
"""

from __future__ import annotations

import copy
import re
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest

from capnet.analysis.core.context import Context
from capnet.analysis.engine import study
from capnet.analysis.findings import finding_modules, needed_modules, payload_read_by
from capnet.reduce.reduction import WRITTEN_OUT, NotTold, reduce
from capnet.reduce.search import Budget
from tests.conftest import PROJECT
from tests.reduce.test_anonymise import is_absent

RECORDED = PROJECT / "tests" / "analysis" / "findings" / "recorded"
PAYLOAD = (
    "advertised", "bgp", "dhcp", "dns", "ftp_openings", "ike", "log_rules", "memberships", "mirrors", "sctp",
    "stream_starts", "tls_alerts", "vrrp",
)  # fmt: skip
MODULES = {module.NAME: module for module in finding_modules()}
# Finding, and a recording of it, whose payload is unlike that of the others.
REDUCED = [
    ("tls-mismatch", "plain-to-tls"), ("tls-mismatch", "tls-to-plain"), ("session-refused", "ike-no-proposal"),
    ("session-refused", "bgp-peer-as"), ("vrrp-split-brain", "vrrp-intervals"), ("tls-refused", "tls-ca"),
]  # fmt: skip


def recordings() -> list[tuple[Path, ...]]:
    folders = (sorted(folder.glob("*.pcap")) for folder in sorted(RECORDED.iterdir()) if folder.is_dir())
    made = PROJECT / "tests" / "made"
    captures = [*sorted((PROJECT / "pcaps" / "faults").glob("dns-*.pcapng")), *made.glob("nflog_be.pcap")]
    captures += made.glob("erspan.pcap")
    return [tuple(files) for files in folders if files] + [(capture,) for capture in captures]


@cache
def context_of(files: tuple[Path, ...]) -> Context:
    return study(files).context


def without(context: Context, field: str) -> Context:
    """The same capture, whose packets carry nothing of a kind."""
    value = getattr(context, field)
    other = copy.copy(context)
    setattr(other, field, value[:0] if hasattr(value, "__len__") else type(value)())
    other.derived = {}
    return other


def told(context: Context, modules: tuple[ModuleType, ...]) -> set[str]:
    return {module.NAME for module in modules if module.diagnose(context)}


@pytest.mark.parametrize("files", recordings(), ids=lambda files: files[0].parent.name + "/" + files[0].stem)
def test_finding_that_rests_on_payload_declares_it(files: tuple[Path, ...]) -> None:
    context = context_of(files)
    names = told(context, needed_modules(context))
    for field in PAYLOAD:
        lost = names - told(without(context, field), tuple(MODULES[name] for name in names))
        assert {name for name in lost if field not in payload_read_by(name)} == set(), field


@pytest.mark.parametrize("name", MODULES)
def test_finding_that_names_payload_declares_it(name: str) -> None:
    """In its own file; what facts read for it, recordings show."""
    source = Path(MODULES[name].__file__ or "").read_text()
    names = {field for field in re.findall(r"context\.(\w+)", source) if field in PAYLOAD}
    assert names <= payload_read_by(name)
    assert payload_read_by(name) <= set(PAYLOAD)


@pytest.mark.parametrize(("name", "recording"), REDUCED, ids=[recording for _, recording in REDUCED])
def test_declared_payload_is_left_when_reduced(name: str, recording: str) -> None:
    files = sorted((RECORDED / recording).glob("*.pcap"))
    reduced = reduce(study(files), name, Budget(300, lambda: False), False, lambda step: None)
    assert reduced.finding.name == name
    for text in reduced.replaced:
        assert is_absent(text, reduced.capture), text


def test_octets_that_are_not_declared_are_replaced() -> None:
    """Of a request of HTTP all but its method goes."""
    files = sorted((RECORDED / "plain-to-tls").glob("*.pcap"))
    before = b"".join(path.read_bytes() for path in files)
    reduced = reduce(study(files), "tls-mismatch", Budget(300, lambda: False), False, lambda step: None)
    assert b"GET " in reduced.capture
    assert b"GET / HTTP/1" in before and b"HTTP/1" not in reduced.capture


@pytest.mark.parametrize(("name", "recording"), [("ftp-data-failed", "ftp-ports")])
def test_addresses_written_out_in_payload_are_the_reason_given(name: str, recording: str) -> None:
    assert WRITTEN_OUT & payload_read_by(name)
    with pytest.raises(NotTold, match="written out in payload"):
        reduce(study(sorted((RECORDED / recording).glob("*.pcap"))), name, Budget(9, lambda: False), False, print)
