"""More packets than the budget holds: a sample of them, and every flow is still followed."""

from __future__ import annotations

from pathlib import Path

from capnet.analyze.engine import analyze
from capnet.report.document import document
from tests.analyze.simulate import SYN, Network, tcp

A, B = "192.168.111.128", "192.168.111.129"


def many(folder: Path, flows: int = 60, packets: int = 12) -> list[Path]:
    """Connections of several containers through masquerade; each one's second packet is lost behind the bridge."""
    net = Network(["A/veth1", "A/docker0", "A/ens33"])
    for number in range(packets):
        for flow in range(flows):
            flags = SYN if number == 0 else 16
            segment = tcp(
                f"172.17.0.{2 + flow}:5000 > {B}:80", bytes(10 * bool(number)),
                seq=100_000 * flow + 10 * number, ident=flow * 100 + number + 1, flags=flags,
            )  # fmt: skip
            hops = [
                ("A/veth1", segment),
                ("A/docker0", segment),
                ("A/ens33", segment.routed(src=A, sport=20_000 + flow)),
            ]
            net.pass_by(*(hops[:2] if number == 2 else hops))
    return net.write(folder)


def test_a_budget_that_is_too_small_loses_no_translation_and_invents_none(tmp_path: Path) -> None:
    files = many(tmp_path)
    exact = document(analyze(files))
    sampled = document(analyze(files, budget=256))
    assert exact["correlation"]["packets_compared"] == "all"
    assert sampled["correlation"]["packets_compared"] == "sampled"
    assert sampled["correlation"]["share"] <= 0.125

    def entries(report: dict) -> set:  # type: ignore[type-arg]
        return {(row["before"]["src"], row["before"]["sport"], row["after"]["sport"]) for row in report["nat"]}

    truth = {(f"172.17.0.{2 + flow}", 5000, 20_000 + flow) for flow in range(60)}
    assert entries(exact) == truth
    found = entries(sampled)
    assert found <= truth
    assert found == truth


def test_loss_is_exact_with_all_packets_and_an_estimate_with_a_sample(tmp_path: Path) -> None:
    files = many(tmp_path)

    def losses(report: dict) -> int:  # type: ignore[type-arg]
        return sum(hop["lost"] or 0 for path in report["paths"] for hop in path["hops"])

    assert losses(document(analyze(files))) == 60
    assert 20 <= losses(document(analyze(files, budget=1024))) <= 140
