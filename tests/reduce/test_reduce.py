"""`capnet reduce`: few packets that still have the finding, and nothing of the original."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from capnet.analysis.engine import analyze, study
from capnet.cli.reduce import command, write
from capnet.errors import UsageError
from capnet.reduce.reduction import NotTold, reduce
from capnet.reduce.search import Budget
from capnet.topology import Topology
from tests.reduce.test_anonymise import is_absent

FAULTS = Path(__file__).resolve().parents[2] / "pcaps" / "faults"
RECORDED = FAULTS.parents[1] / "tests" / "analysis" / "facts" / "kernel" / "recorded"
DAMAGED = FAULTS.parents[1] / "tests" / "made" / "truncated.pcap"
# Fault, its finding, and how many packets are enough at most.
CASES = [
    ("published-port-blocked", "published-port-blocked", 6),
    ("stops-between", "stops-between", 6),
    ("docker-user-drop", "published-port-blocked", 2),
    ("dns-failure", "dns-failure", 4),
    ("tunnel-not-decapsulated", "tunnel-not-decapsulated", 6),
    ("firewall-rejected-ipv6", "firewall-rejected", 2),
    ("fragments-lost", "fragments-lost", 4),
    ("routing-loop", "routing-loop", 6),
    ("arp-unanswered", "arp-unanswered", 3),
    ("duplicate-ip", "duplicate-ip", 4),
    ("packet-loss", "packet-loss", 5),
]


def unlimited(trials: int = 2000) -> Budget:
    return Budget(trials, lambda: False)


@pytest.mark.by_turns
@pytest.mark.parametrize(("fault", "finding", "most"), CASES, ids=[case[0] for case in CASES])
def test_reduced_fault_has_its_finding_and_nothing_else(fault, finding, most, tmp_path):
    """The file that is written is analyzed as any other, with the topology beside it."""
    reduced = reduce(study(FAULTS / f"{fault}.pcapng"), finding, unlimited(), False, lambda step: None)
    path = tmp_path / "small.pcapng"
    path.write_bytes(reduced.capture)
    content = reduced.capture
    if reduced.topology:
        reduced.topology.save(tmp_path / "small.topology.json")
        content += (tmp_path / "small.topology.json").read_bytes()
    report = analyze(path)
    assert finding in {row.name for row in report.findings}
    assert reduced.finding.says in {row.says for row in report.findings}
    assert sum(source.packets for source in report.inputs) == reduced.packets[1] <= most
    assert reduced.replaced
    for text in reduced.replaced:
        assert is_absent(text, content), text


def test_kept_addresses_stay_as_they_are():
    reduced = reduce(study(FAULTS / "dns-failure.pcapng"), "dns-failure", unlimited(), True, lambda step: None)
    assert reduced.replaced == []
    original = (FAULTS / "dns-failure.pcapng").read_bytes()
    assert any(reduced.capture[at : at + 60] in original for at in range(0, len(reduced.capture), 4))


# Bundles with a finding that is told with their witnesses alone: a rule, a counter of tc.
WITNESSED = [
    (FAULTS / "kernel-drop.pcapng", "kernel-drop"),
    (RECORDED / "tc-filter.pcapng", "kernel-drop"),
]


@pytest.mark.parametrize(("capture", "finding"), WITNESSED, ids=[capture.stem for capture, _ in WITNESSED])
def test_finding_of_witnesses_keeps_what_it_rests_on(capture, finding, tmp_path):
    """The kernel's text lies beside the small capture, and nothing of the network is in it."""
    output = tmp_path / "small.pcapng"
    reduced = reduce(study(capture), finding, unlimited(), False, lambda step: None)
    write(reduced, output)
    assert finding in {row.name for row in analyze(output).findings}
    texts = (tmp_path / "small.witnesses.json").read_bytes()
    for text in reduced.replaced:
        assert is_absent(text, texts), text
    assert len(texts) < len(capture.with_suffix(".witnesses.json").read_bytes()) / 2
    (tmp_path / "small.witnesses.json").unlink()
    assert finding not in {row.name for row in analyze(output).findings}


def test_other_witnesses_beside_the_output_are_removed(tmp_path):
    """Those of another capture of this name would be read with the small one."""
    output = tmp_path / "small.pcapng"
    (tmp_path / "small.witnesses.json").write_text("{}")
    reduced = reduce(study(FAULTS / "dns-failure.pcapng"), "dns-failure", unlimited(3), False, lambda step: None)
    write(reduced, output)
    assert not (tmp_path / "small.witnesses.json").exists()


def test_large_capture_is_cut_to_the_evidence_first(monkeypatch):
    """A capture above the limit is not read whole: the conversations of the evidence are."""
    monkeypatch.setattr("capnet.reduce.frames.MAX_FRAMES", 20)
    monkeypatch.setattr("capnet.reduce.reduction.MAX_FRAMES", 20)
    steps: list[str] = []
    reduced = reduce(study(FAULTS / "firewall-rejected.pcapng"), "firewall-rejected", unlimited(), False, steps.append)
    assert reduced.packets[0] > 20
    assert int(steps[0].split()[0]) <= 20


def test_spent_budget_says_that_it_may_get_smaller():
    reduced = reduce(study(FAULTS / "dns-failure.pcapng"), "dns-failure", unlimited(3), False, lambda step: None)
    assert not reduced.is_smallest
    assert reduced.trials == 3
    assert reduced.finding.name == "dns-failure"


def test_command_writes_the_files_and_says_what(tmp_path, capsys):
    output = tmp_path / "small.pcapng"
    source = str(FAULTS / "docker-user-drop.pcapng")
    command.main([source, "--finding", "published-port-blocked", "-o", str(output)], standalone_mode=False)
    said = capsys.readouterr()
    assert "small.pcapng: 2 of " in said.out  # a SYN, and its repetition: no answer came for a second
    assert "It still says: 2 SYNs of " in said.out
    assert "have the finding" in said.err
    assert output.stat().st_mode & 0o777 == 0o600
    assert Topology.load(tmp_path / "small.topology.json").scenario is None


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--finding", "stops-between", "-o", "x.pcapng"], "name a capture"),
        (["{}", "--finding", "stops-between", "-o", "x.pcap"], "writes pcapng"),
        (["{}", "--finding", "mtu-blackhole", "-o", "x.pcapng"], "does not have it; its findings: "),
        (["{}", "--finding", "stops-between", "-o", "{}"], "is the input"),
    ],
)
def test_wrong_use_is_an_error_with_its_reason(words, reason, tmp_path):
    shutil.copy(FAULTS / "dns-failure.pcapng", tmp_path / "in.pcapng")
    given = [word.format(tmp_path / "in.pcapng") for word in words]
    with pytest.raises(UsageError, match=reason):
        command.main(given, standalone_mode=False)


def test_topology_of_the_input_is_never_replaced(tmp_path):
    """`fault.topology.json` is that of `fault.pcap` and of `fault.pcapng`: it was overwritten, or removed."""
    given = tmp_path / "fault.pcap"
    shutil.copy(FAULTS / "arp-unanswered.pcapng", given)
    shutil.copy(FAULTS / "arp-unanswered.topology.json", tmp_path / "fault.topology.json")
    before = (tmp_path / "fault.topology.json").read_bytes()
    with pytest.raises(UsageError, match="its topology would have the name"):
        command.main(
            [str(given), "--finding", "arp-unanswered", "-o", str(tmp_path / "fault.pcapng")], standalone_mode=False
        )
    assert (tmp_path / "fault.topology.json").read_bytes() == before
    assert not (tmp_path / "fault.pcapng").exists()


def test_finding_about_the_file_says_so(tmp_path):
    """Damage is not copied: the packets are written anew."""
    with pytest.raises(NotTold, match=r"capture-damaged .* is about the file, .* Hand on the file itself"):
        reduce(study(DAMAGED), "capture-damaged", unlimited(), False, lambda step: None)
