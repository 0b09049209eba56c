"""What a trace of rules and drops says of single frames (recorded/README.md says how it was recorded)."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from capnet.analysis.core.contract.outcomes import KernelReason
from capnet.analysis.core.contract.report import Report
from capnet.analysis.engine import analyze
from capnet.topology import witnesses_path

RECORDED = Path(__file__).with_name("recorded")


def capture(name: str) -> Path:
    return RECORDED / f"{name}.pcapng"


def altered(name: str, folder: Path, alter: Callable[[dict[str, Any]], None]) -> Report:
    """The report on a recording with other witnesses."""
    path = Path(shutil.copy(capture(name), folder))
    shutil.copy(RECORDED / f"{name}.topology.json", folder)
    data = json.loads(witnesses_path(capture(name)).read_text(encoding="utf-8"))
    alter(data)
    witnesses_path(path).write_text(json.dumps(data), encoding="utf-8")
    return analyze(path)


def traced(report: Report, action: str = "dropped") -> list[KernelReason]:
    return [reason for reason in report.kernel if reason.known_by == "trace" and reason.action == action]


def dropped_for(report: Report) -> dict[str, str]:
    """Namespace → drop reason."""
    return {reason.namespace: reason.name for reason in report.kernel if reason.kind == "drop-reason"}


def of_host(data: dict[str, Any], name: str = "A") -> dict[str, Any]:
    (namespace,) = [each for each in data["namespaces"] if each["name"] == name]
    return dict(namespace)


@pytest.mark.parametrize(
    ("name", "rule", "frames"),
    [
        ("why-forward", "iptables filter FORWARD rule 1", [31, 33, 35, 37]),
        ("why-input", "iptables filter INPUT rule 1", [15, 16, 17, 18]),
    ],
)
def test_trace_names_rule_and_each_frame_it_dropped(name: str, rule: str, frames: list[int]) -> None:
    """`frames`: those that tshark -Y selects: SYNs of 172.17.0.2 at A/docker0, and packets of B at A/ens33."""
    (reason,) = traced(analyze(capture(name)))
    assert (reason.name, reason.namespace, reason.match, reason.packets) == (rule, "A", "equal", 4)
    assert reason.says.endswith("-j DROP (traced)")
    assert [frame.frame for frame in reason.evidence] == frames


def test_trace_names_rule_that_masquerades() -> None:
    (reason,) = traced(analyze(capture("why-forward")), "rewrote")
    assert reason.name == "iptables nat POSTROUTING rule 1"
    assert "-j MASQUERADE" in reason.text and reason.packets == 2
    assert {frame.point for frame in reason.evidence} == {"A/docker0"}


def test_trace_names_rule_of_a_published_port() -> None:
    (reason,) = traced(analyze(capture("why-rp-filter")), "rewrote")
    assert reason.name == "iptables nat PREROUTING rule 1"
    assert reason.text.endswith("-j DNAT --to-destination 172.17.0.2:80")


def test_rule_that_rejects_is_named_by_the_error_it_sends() -> None:
    """The finding's evidence is the ICMP error, which quotes the packet."""
    report = analyze(capture("why-reject"))
    (reason,) = traced(report, "refused")
    (finding,) = [finding for finding in report.findings if finding.level != "info"]
    assert finding.name == "firewall-rejected" and reason.says in finding.says
    assert reason.text.endswith("-j REJECT --reject-with icmp-admin-prohibited")
    assert finding.fix is not None and "`iptables -t filter -vnL FORWARD --line-numbers`" in finding.fix


def test_drop_reason_of_reverse_path_filter_is_named() -> None:
    report = analyze(capture("why-rp-filter"))
    assert dropped_for(report) == {"A": "IP_RPFILTER"}
    (finding,) = [finding for finding in report.findings if finding.level == "error"]
    assert "the kernel of A dropped them for IP_RPFILTER, in ip_rcv_finish_core (traced)" in finding.says
    assert "TcpExtIPReversePathFilter (4); net.ipv4.conf.all.rp_filter = 1" in finding.says


def test_queue_that_drops_is_named_with_its_counter() -> None:
    """The frames are those before the queue: what it drops is not seen at its interface."""
    report = analyze(capture("why-queue"))
    reason, counter = (reason for reason in report.kernel if reason.action == "dropped")
    assert (reason.name, counter.name) == ("QDISC_DROP", "ens33 qdisc drops")
    assert reason.packets == counter.packets == counter.missing == len(reason.evidence) > 1
    assert {frame.point for frame in reason.evidence} == {"A/docker0"}
    (finding,) = [finding for finding in report.findings if finding.name == "packet-loss"]
    assert "for QDISC_DROP" in finding.says and "ens33 qdisc drops" in finding.says


def test_host_that_forwards_nothing_is_one_finding() -> None:
    """Reason and counter are of the same packets."""
    (finding,) = [finding for finding in analyze(capture("why-forwarding-off")).findings if finding.level == "error"]
    assert finding.name == "forwarding-off"
    assert "for IP_INADDRERRORS" in finding.says
    assert finding.says.endswith("the kernel of A counted as many in IpInAddrErrors (7); net.ipv4.ip_forward = 0")


def test_drop_reason_of_each_end_of_a_tunnel_is_named() -> None:
    assert dropped_for(analyze(capture("why-vni"))) == {"A": "VXLAN_VNI_NOT_FOUND", "B": "VXLAN_VNI_NOT_FOUND"}


@pytest.mark.parametrize("path", sorted(RECORDED.glob("why-*.healthy.pcapng")), ids=lambda path: path.name)
def test_healthy_traced_network_has_no_drop(path: Path) -> None:
    report = analyze(path)
    assert {reason.action for reason in report.kernel} == {"rewrote"}
    assert [finding.name for finding in report.findings if finding.level != "info"] == []


def test_trace_of_other_packets_is_not_attributed(tmp_path: Path) -> None:
    """Another source: then the counter of the rule is left, and that a rule dropped them."""

    def alter(data: dict[str, Any]) -> None:
        trace = of_host(data)["trace"]
        trace[:] = [line.replace('"src":"172.17.0.2"', '"src":"172.17.0.9"') for line in trace]

    report = altered("why-forward", tmp_path, alter)
    assert traced(report) == []
    stopped = [reason for reason in report.kernel if reason.action == "dropped"]
    assert [(reason.known_by, reason.name) for reason in stopped] == [
        ("drop-reason", "NETFILTER_DROP"),
        ("counters", "iptables filter FORWARD rule 1"),
    ]


def test_steps_that_are_lost_leave_a_part(tmp_path: Path) -> None:
    def alter(data: dict[str, Any]) -> None:
        trace = of_host(data)["trace"]
        drops = [line for line in trace if '"drop"' in line]
        trace[:] = [line for line in trace if line not in drops[:2]]

    (reason,) = traced(altered("why-forward", tmp_path, alter))
    assert (reason.match, reason.packets, reason.missing) == ("part", 2, 4)
    assert "dropped 2 of 4" in reason.says


def test_rule_that_is_not_listed_is_named_without_text(tmp_path: Path) -> None:
    """As of a host without the program nft."""

    def alter(data: dict[str, Any]) -> None:
        del of_host(data)["after"]["outputs"]["iptables-save -c"]

    (reason,) = traced(altered("why-forward", tmp_path, alter))
    assert (reason.name, reason.text) == ("nft ip filter FORWARD rule 1", "its text is not known")


def test_rule_is_numbered_as_in_the_rules_that_are_kept(tmp_path: Path) -> None:
    """Another rule came before it while packets were captured; the last line of the trace says so."""

    def alter(data: dict[str, Any]) -> None:
        host = of_host(data)
        outputs = host["after"]["outputs"]
        text = outputs["iptables-save -c"]
        outputs["iptables-save -c"] = text.replace("[4:240] -A", "[0:0] -A FORWARD -s 1.2.3.4/32 -j DROP\n[4:240] -A")
        events = [json.loads(line) for line in host["trace"]]
        host["trace"][:] = [json.dumps(event | {"handle": 7}) for event in events if "rules" not in event]
        host["trace"].append(json.dumps({"rules": [["ip", "filter", "FORWARD", 7, 2]]}))

    (reason,) = traced(altered("why-forward", tmp_path, alter))
    assert (reason.name, reason.number) == ("iptables filter FORWARD rule 2", 2)
    assert "-s 172.17.0.2/32" in reason.text


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("-A FORWARD -s 172.17.0.2/32 -j DROP", "iptables filter FORWARD rule 1"),
        ("ip saddr 172.17.0.2 drop", "nft ip filter FORWARD rule 1"),
        ("", "nft ip filter FORWARD rule 1"),
    ],
)
def test_rule_that_has_gone_has_the_text_of_the_trace(text: str, name: str, tmp_path: Path) -> None:
    """It was removed while packets were captured; another one has its number now."""

    def alter(data: dict[str, Any]) -> None:
        host = of_host(data)
        host["after"]["outputs"]["iptables-save -c"] = host["after"]["outputs"]["iptables-save -c"].replace(
            "-s 172.17.0.2/32", "-s 1.2.3.4/32"
        )
        events = [json.loads(line) for line in host["trace"]]
        host["trace"][:] = [json.dumps(event | {"handle": 7}) for event in events if "rules" not in event]
        place = ["ip", "filter", "FORWARD", 7]
        host["trace"].append(json.dumps({"rules": [[*place, -1]], "texts": [[*place, text]] if text else []}))

    (reason,) = traced(altered("why-forward", tmp_path, alter))
    assert (reason.name, reason.number, reason.text) == (name, 1, text or "its text is not known")


def test_drops_at_another_time_are_not_attributed(tmp_path: Path) -> None:
    def alter(data: dict[str, Any]) -> None:
        for machine in data["drops"]:
            events = [json.loads(line) for line in machine["lines"]]
            machine["lines"] = [json.dumps(event | {"passed": event["passed"] + 50_000_000}) for event in events]

    assert dropped_for(altered("why-rp-filter", tmp_path, alter)) == {}


@pytest.mark.parametrize("line", ["", "{", "[]", '{"time":1}', "null", '{"proto":{}}', "\u202e"])
def test_damaged_lines_of_a_trace_are_left_out(line: str, tmp_path: Path) -> None:
    def alter(data: dict[str, Any]) -> None:
        of_host(data)["trace"].insert(0, line)
        data["drops"][0]["lines"].insert(0, line)

    assert len(traced(altered("why-forward", tmp_path, alter))) == 1
