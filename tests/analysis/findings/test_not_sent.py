"""not-sent: packets that a container's kernel did not send, of recorded witnesses (facts/kernel/recorded/README.md)."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from capnet.analysis.core.results import Finding
from capnet.analysis.engine import analyze
from capnet.topology import topology_path, witnesses_path

RECORDED = Path(__file__).parents[1] / "facts" / "kernel" / "recorded"
RULE = "-A OUTPUT ! -d 172.16.0.0/12 -o eth0 -j DROP"


def unsent(path: Path) -> list[Finding]:
    return [finding for finding in analyze(path).findings if finding.name == "not-sent"]


def altered(folder: Path, name: str, of: str, output: str, old: str, new: str) -> list[Finding]:
    """The findings where a namespace printed something else when the capture ended."""
    path = Path(shutil.copy(RECORDED / f"{name}.pcapng", folder))
    shutil.copy(topology_path(RECORDED / f"{name}.pcapng"), topology_path(path))
    data: dict[str, Any] = json.loads(witnesses_path(RECORDED / f"{name}.pcapng").read_text(encoding="utf-8"))
    (namespace,) = [each for each in data["namespaces"] if each["name"] == of]
    text = namespace["after"]["outputs"][output]
    assert old in text
    namespace["after"]["outputs"][output] = text.replace(old, new)
    witnesses_path(path).write_text(json.dumps(data), encoding="utf-8")
    return unsent(path)


def test_destinations_without_a_route_is_told() -> None:
    """No frame was captured; three connections, the connect of ping and a datagram."""
    (finding,) = unsent(RECORDED / "no-route-side.pcapng")
    assert (finding.level, finding.facts["packets"], finding.evidence) == ("warning", 5, [])
    assert finding.says.startswith("programs in A/side had no route 5 times")
    assert finding.says.endswith("it joined the network of container web, which has ended or restarted since")
    assert finding.fix is not None and "`docker restart side`" in finding.fix


def test_rule_of_output_is_told() -> None:
    (finding,) = unsent(RECORDED / "kill-switch.pcapng")
    assert finding.says.startswith("iptables filter OUTPUT rule 1 in A/web stopped 7 packets")
    assert finding.says.endswith(RULE)


def test_counter_that_did_not_rise_is_silent(tmp_path: Path) -> None:
    assert altered(tmp_path, "no-route-side", "A/side", "/proc/net/snmp", "OutNoRoutes", "InDiscards") == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("-j DROP", "-j ACCEPT"),
        (RULE, RULE.replace("OUTPUT", "INPUT")),
        ("[7:", "[0:"),
        (RULE, "-A OUTPUT -p tcp -m tcp --sport 50001:50100 --tcp-flags RST RST -j DROP"),
    ],
    ids=["accepts", "of-another-hook", "counted-none", "resets-of-the-kernel"],
)
def test_rule_that_stopped_nothing_sent_is_silent(old: str, new: str, tmp_path: Path) -> None:
    assert altered(tmp_path, "kill-switch", "A/web", "iptables-save -c", old, new) == []


@pytest.mark.parametrize("name", ["listens-elsewhere", "vacant-syn", "forward-flushed"])
def test_containers_that_send_is_silent(name: str) -> None:
    assert unsent(RECORDED / f"{name}.pcapng") == []


def test_host_that_has_no_route_for_answers_is_silent() -> None:
    """Its counter explains another finding, and in a host's namespace others send too."""
    assert unsent(RECORDED / "masquerade-lost.pcapng") == []
