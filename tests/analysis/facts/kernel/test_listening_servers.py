"""What a refused connection says of the programs that listen: witnesses that were recorded (recorded/README.md)."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from capnet.analysis.core.results import Finding
from capnet.analysis.engine import analyze
from capnet.analysis.facts.kernel.states.listeners import Listener, parsed_listeners
from capnet.topology import topology_path, witnesses_path

RECORDED = Path(__file__).with_name("recorded") / "listens-elsewhere.pcapng"
HEADER = "State  Recv-Q Send-Q Local Address:Port Peer Address:PortProcess"
NOTHING, AT_8000, AT_80 = HEADER, f"{HEADER}\nLISTEN 0 5 0.0.0.0:8000 0.0.0.0:*", f"{HEADER}\nLISTEN 0 5 *:80 *:*"
LOOPBACK = f"{HEADER}\nLISTEN 0 5 127.0.0.1:80 0.0.0.0:*"
DNS = "\nLISTEN 0 4096 127.0.0.11:43211 0.0.0.0:*"  # Docker's name server in the container


def refused(folder: Path, before: str | None, after: str | None) -> Finding:
    """The finding where `ss -ltn` in web's namespace printed this at both moments; None: it is not there."""
    path = Path(shutil.copy(RECORDED, folder))
    shutil.copy(topology_path(RECORDED), topology_path(path))
    data = json.loads(witnesses_path(RECORDED).read_text(encoding="utf-8"))
    (web,) = [namespace for namespace in data["namespaces"] if namespace["name"] == "A/web"]
    for moment, text in (("before", before), ("after", after)):
        del web[moment]["outputs"]["ss -ltn"]
        web[moment]["outputs"] |= {} if text is None else {"ss -ltn": text}
    witnesses_path(path).write_text(json.dumps(data), encoding="utf-8")
    (finding,) = [finding for finding in analyze(path).findings if finding.name == "connection-refused"]
    return finding


def test_port_that_the_server_listens_on_is_named() -> None:
    (finding,) = [finding for finding in analyze(RECORDED).findings if finding.name == "connection-refused"]
    assert finding.says == (
        "172.18.0.2 (web) refused connections to port 80, to which 192.168.111.128:8080 is translated; nothing listens "
        "on it in A/web, where programs listen on 0.0.0.0:8000"
    )
    assert finding.fix is not None and "`-p 8080:8000` in place of `-p 8080:80`" in finding.fix
    assert finding.facts["listens"] == ["0.0.0.0:8000"]


@pytest.mark.parametrize(
    ("before", "after", "says", "fix"),
    [
        (LOOPBACK, LOOPBACK, "but at 127.0.0.1:80 only", "listen on 0.0.0.0:80, all addresses, in place of 127.0.0.1"),
        (NOTHING, NOTHING, "no program listens on any TCP port in A/web", "start the server in A/web"),
        (NOTHING + DNS, NOTHING + DNS, "no program listens on any TCP port in A/web", "start the server in A/web"),
        (AT_8000 + DNS, AT_8000 + DNS, "where programs listen on 0.0.0.0:8000", "-p 8080:8000"),
        (NOTHING, AT_80, "and one did when it ended: it was starting", "let clients try again"),
        (AT_80, NOTHING, "a program listened on it when the capture began", "the log of the server in A/web"),
    ],
    ids=["loopback", "nothing", "name-server", "other-port", "started", "ended"],
)
def test_what_listens_instead_is_named(before: str, after: str, says: str, fix: str, tmp_path: Path) -> None:
    finding = refused(tmp_path, before, after)
    assert says in finding.says
    assert finding.fix is not None and fix in finding.fix


@pytest.mark.parametrize(
    ("before", "after"), [(AT_80, AT_80), (None, None), (None, AT_8000), (AT_8000, None)],
    ids=["served", "unknown", "unknown-before", "unknown-after"],
)  # fmt: skip
def test_server_that_listens_or_is_unknown_is_silent(before: str | None, after: str | None, tmp_path: Path) -> None:
    """A rule may refuse with RST; an image without ss does not say that nothing listens."""
    finding = refused(tmp_path, before, after)
    assert "listen" not in finding.says and "listens" not in finding.facts


NOT_PUBLISHED = RECORDED.with_name("not-published.pcapng")


def of_host(folder: Path, old: str, new: str, ports: list[dict[str, object]] | None = None) -> Finding:
    """The finding where `ss -ltn` in web printed something else, or where web publishes ports."""
    path = Path(shutil.copy(NOT_PUBLISHED, folder))
    topology = json.loads(topology_path(NOT_PUBLISHED).read_text(encoding="utf-8"))
    (web,) = topology["containers"]
    web["ports"] = ports or []
    topology_path(path).write_text(json.dumps(topology), encoding="utf-8")
    data = json.loads(witnesses_path(NOT_PUBLISHED).read_text(encoding="utf-8"))
    (inside,) = [namespace for namespace in data["namespaces"] if namespace["name"] == "A/web"]
    for moment in ("before", "after"):
        listed = inside[moment]["outputs"]["ss -ltn"]
        assert old in listed
        inside[moment]["outputs"]["ss -ltn"] = listed.replace(old, new)
    witnesses_path(path).write_text(json.dumps(data), encoding="utf-8")
    (finding,) = [finding for finding in analyze(path).findings if finding.name == "connection-refused"]
    return finding


def test_port_that_a_container_does_not_publish_is_named() -> None:
    (finding,) = [finding for finding in analyze(NOT_PUBLISHED).findings if finding.name == "connection-refused"]
    assert finding.says.endswith("A/web listens on that port, which it does not publish on A")
    assert finding.fix is not None and finding.fix.startswith("publish the port of A/web: `-p 8080:8080`")


@pytest.mark.parametrize("listens", ["127.0.0.1:8080", "0.0.0.0:8081"])
def test_container_that_cannot_be_meant_is_not(listens: str, tmp_path: Path) -> None:
    """It listens on its own loopback, or on another port."""
    finding = of_host(tmp_path, "0.0.0.0:8080", listens)
    assert "does not publish" not in finding.says and "A/web" not in finding.says


def test_container_that_publishes_elsewhere_is_not(tmp_path: Path) -> None:
    port = {"proto": "tcp", "host_ip": "0.0.0.0", "host_port": 80, "container_port": 8080}
    assert "does not publish" not in of_host(tmp_path, "0.0.0.0:8080", "0.0.0.0:8080", [port]).says


FLUSHED = RECORDED.with_name("dnat-flushed.pcapng")


def with_rule(folder: Path, rule: str, bridge: str | None = None) -> Finding:
    """The finding where nat of the host has a rule, or where its networks have another bridge."""
    path = Path(shutil.copy(FLUSHED, folder))
    topology = json.loads(topology_path(FLUSHED).read_text(encoding="utf-8"))
    for network in topology["networks"]:
        network["bridge"] = bridge or network["bridge"]
    topology_path(path).write_text(json.dumps(topology), encoding="utf-8")
    data = json.loads(witnesses_path(FLUSHED).read_text(encoding="utf-8"))
    (host,) = [namespace for namespace in data["namespaces"] if namespace["name"] == "A"]
    outputs = host["after"]["outputs"]
    saved = outputs["iptables-save -c"]
    commit = saved.index("COMMIT", saved.index("*nat"))
    outputs["iptables-save -c"] = f"{saved[:commit]}{rule}{saved[commit:]}"
    witnesses_path(path).write_text(json.dumps(data), encoding="utf-8")
    (finding,) = [finding for finding in analyze(path).findings if finding.name == "connection-refused"]
    return finding


NO_RULE = "it is published there for container web, and no rule of A translates it any more"


def test_published_port_without_its_rule_is_named() -> None:
    (finding,) = [finding for finding in analyze(FLUSHED).findings if finding.name == "connection-refused"]
    assert finding.says.endswith(NO_RULE)
    assert finding.fix is not None and finding.fix.startswith("`systemctl restart docker` writes the rules again")


def test_port_of_podman_without_its_rule_is_restored_by_podman(tmp_path: Path) -> None:
    finding = with_rule(tmp_path, "", "podman1")
    assert finding.fix is not None and finding.fix.startswith("`podman network reload --all`")


@pytest.mark.parametrize(
    ("rule", "is_named"),
    [
        ("-p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.29.0.2:80", False),
        ("-j DNAT --to-destination 172.29.0.2", False),
        ("-p tcp -m tcp --dport 8081 -j DNAT --to-destination 172.29.0.2:80", True),
        ("-p udp -m udp --dport 8080 -j DNAT --to-destination 172.29.0.2:80", True),
    ],
)
def test_rule_that_may_translate_it_is_silent(rule: str, is_named: bool, tmp_path: Path) -> None:
    finding = with_rule(tmp_path, f"[0:0] -A PREROUTING {rule}\n")
    assert (NO_RULE in finding.says) == is_named


def test_addresses_of_ss_are_read() -> None:
    lines = "LISTEN 0 5 127.0.0.53%lo:53 0.0.0.0:*\nLISTEN 0 5 [::1]:6379 [::]:*\nLISTEN 0 9 *:80 *:*\nESTAB 0"
    assert parsed_listeners(lines) == {Listener("127.0.0.53", 53), Listener("::1", 6379), Listener("*", 80)}


@pytest.mark.parametrize(
    ("listener", "address", "serves"),
    [
        (Listener("0.0.0.0", 80), "172.18.0.2", True), (Listener("0.0.0.0", 80), "fd00::2", False),
        (Listener("*", 80), "fd00::2", True), (Listener("*", 80), "172.18.0.2", True),
        (Listener("::", 80), "172.18.0.2", False), (Listener("::", 80), "fd00::2", True),
        (Listener("172.18.0.2", 80), "172.18.0.2", True), (Listener("0.0.0.0", 81), "172.18.0.2", False),
    ],
)  # fmt: skip
def test_listener_serves_addresses_of_its_family(listener: Listener, address: str, serves: bool) -> None:
    assert listener.serves(address, 80) == serves
