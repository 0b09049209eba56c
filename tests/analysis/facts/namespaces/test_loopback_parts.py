"""Loopback addresses of several network namespaces are several stations.

Recorded by `tcpdump -i lo` in three namespaces at one time. Each asks 127.0.0.11 for names, and 127.0.0.1 and ::1 for
port 9000. In web1 all is answered. In web2 the name server is silent and no server listens; in web3 the name server
answers SERVFAIL, and a rule drops the SYNs over IPv4.
"""

from pathlib import Path
from typing import Any

from capnet.analysis.engine import analyze

RECORDED = Path(__file__).parent
NAMES = ("web1", "web2", "web3")
OF_NAMESPACE = ("connection-unanswered", "connection-refused", "dns-failure", "retransmissions")


def _stated(*names: str) -> list[tuple[str, str, str]]:
    """Name, sentence and next step of each finding that reasons on addresses."""
    report = analyze([RECORDED / f"hostA__{name}__lo.pcap" for name in names]).to_dict()
    return sorted((of["name"], of["says"], of["fix"] or "") for of in report["findings"] if of["name"] in OF_NAMESPACE)


def test_three_namespaces_state_what_each_states_alone() -> None:
    alone: list[Any] = [
        (finding, f"{says}, in the network namespace of hostA/{name}", fix)
        for name in NAMES
        for finding, says, fix in _stated(name)
    ]
    assert len(alone) == 6
    assert _stated(*NAMES) == sorted(alone)


def test_namespace_alone_is_not_named() -> None:
    assert not any("namespace of" in says for _, says, _ in _stated("web2"))


def test_namespace_whose_loopback_works_is_silent() -> None:
    assert _stated("web1") == []
