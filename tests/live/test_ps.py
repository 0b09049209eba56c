"""`capnet ps` and `capnet topology` on real Docker, on every network model that this kernel has.

Truth: `docker inspect`, `ip -j` in each namespace, and what sysfs inside a container says of the other end (iflink).
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import pytest

from capnet.record.find.inventory import survey_host
from capnet.record.remote.docker_host import connect
from capnet.scenario.wait import wait_until
from capnet.topology import Topology
from tests.conftest import PROJECT
from tests.live import swarms
from tests.live.labs import own_clients
from tests.live.swarms import Clients

pytestmark = pytest.mark.live

SLEEP = ["sleep", "100000"]
SAVE = PROJECT / "tests" / "record" / "saved" / "save.sh"
MANY = 50  # containers, in MAX_SECONDS
MAX_SECONDS = 2.0


@pytest.fixture(scope="module")
def hosts() -> Iterator[Clients]:
    """Two hosts of a swarm, with containers of all network models on A."""
    with own_clients("ps") as clients:
        populate(clients)
        yield clients


def populate(clients: Clients) -> None:
    a = clients["A"]

    def run(name: str, **options: Any) -> Any:
        return a.containers.run("busybox", SLEEP, name=name, detach=True, **options)

    pools = [docker.types.IPAMPool(subnet=subnet) for subnet in ("10.50.0.0/24", "fd00:50::/64")]
    a.networks.create("blue", enable_ipv6=True, ipam=docker.types.IPAMConfig(pool_configs=pools))
    inner = a.networks.create("inner", internal=True)
    pool = docker.types.IPAMPool(subnet="192.168.111.0/24", gateway="192.168.111.1", iprange="192.168.111.200/29")
    ipam = docker.types.IPAMConfig(pool_configs=[pool])
    a.networks.create("mv", driver="macvlan", ipam=ipam, options={"parent": "ens33"})
    run("web", ports={"80/tcp": 8080, "53/udp": ("127.0.0.1", 5353)})
    labels = {"com.docker.compose.project": "shop", "com.docker.compose.service": "db"}
    inner.connect(run("multi", network="blue", labels=labels))
    run("hostmode", network_mode="host")
    run("alone", network_mode="none")
    run("side", network_mode="container:web")
    run("mac1", network="mv")
    swarms.found(clients, "B")
    a.networks.create("vx", driver="overlay", attachable=True)
    swarms.attached(a, "vx", "ov1")
    ports = docker.types.EndpointSpec(mode="vip", ports={8088: 80})
    a.services.create(
        "busybox", SLEEP, name="svc", networks=["vx"], mode=docker.types.ServiceMode("global"), endpoint_spec=ports
    )
    for client in clients.values():
        wait_until(lambda client=client: any(c.name.startswith("svc.") for c in client.containers.list()), "a task")


def url(host: str) -> str:
    return f"{host}=unix://{os.environ['CAPNET_LAB_DIR']}/{host}/docker.sock"


def capnet(*words: object, prefix: tuple[str, ...] = (), code: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [*prefix, sys.executable, "-m", "capnet", *map(str, words)],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "PYTHONPATH": str(PROJECT), "COLUMNS": "100"},
    )
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done


def rows(*words: object, **more: Any) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = json.loads(capnet("ps", "--format", "json", *words, **more).stdout)["containers"]
    return listed


def netns(pid: int | str, *words: str) -> str:
    done = subprocess.run(["nsenter", f"--net=/proc/{pid}/ns/net", *words], capture_output=True, text=True, check=True)
    return done.stdout


def dockerd(host: str) -> str:
    return Path(os.environ["CAPNET_LAB_DIR"], host, "dockerd.pid").read_text().strip()


def inspected(client: Any) -> list[dict[str, Any]]:
    return [client.api.inspect_container(each["Id"]) for each in client.api.containers()]


@pytest.mark.parametrize("host", ["A", "B"])
def test_ps_has_every_container_with_dockers_addresses(hosts: Clients, host: str) -> None:
    listed = rows("--host", url(host))
    for attributes in inspected(hosts[host]):
        own = [row for row in listed if row["id"] == attributes["Id"]]
        assert own, attributes["Name"]
        assert {row["pid"] for row in own} == {attributes["State"]["Pid"]}
        shown = {(row["network"], row["mac"], address) for row in own for address in row["addresses"]}
        for network, endpoint in attributes["NetworkSettings"]["Networks"].items():
            for key, length in (("IPAddress", "IPPrefixLen"), ("GlobalIPv6Address", "GlobalIPv6PrefixLen")):
                if endpoint[key]:
                    assert (network, endpoint["MacAddress"], f"{endpoint[key]}/{endpoint[length]}") in shown


def test_ps_has_the_interfaces_of_ip_inside(hosts: Clients) -> None:
    listed = rows("--host", url("A"))
    for attributes in inspected(hosts["A"]):
        if attributes["HostConfig"]["NetworkMode"].partition(":")[0] in ("host", "container"):
            continue
        entries = json.loads(netns(attributes["State"]["Pid"], "ip", "-j", "address"))
        expected = {entry["ifname"]: entry["address"] for entry in entries if entry["ifname"] != "lo"}
        own = {row["interface"]: row["mac"] for row in listed if row["id"] == attributes["Id"] and row["interface"]}
        assert own == expected


def test_ps_has_the_host_end_that_sysfs_says(hosts: Clients) -> None:
    """iflink inside is the number of the other end: on the host, or in the namespace of the overlay network."""
    numbers = {entry["ifindex"]: entry for entry in json.loads(netns(dockerd("A"), "ip", "-j", "link"))}
    compared = 0
    for row in rows("--host", url("A")):
        if not row["host_end"] or row["container"] in ("ingress-sbox", "lb-vx"):
            continue
        path = f"/sys/class/net/{row['interface']}/iflink"
        iflink = int(hosts["A"].containers.get(row["id"]).exec_run(["cat", path]).output)
        if row["host_end"].startswith("overlay:"):
            namespaces = Path(f"/proc/{dockerd('A')}/root{os.environ['CAPNET_LAB_DIR']}/A/exec/netns").glob("1-*")
            listings = [
                subprocess.run(["nsenter", f"--net={file}", "ip", "-j", "link"], capture_output=True, check=True).stdout
                for file in namespaces
            ]
            names = {e["ifname"] for listing in listings for e in json.loads(listing) if e["ifindex"] == iflink}
            assert row["host_end"].rpartition("/")[2] in names
        else:
            assert row["host_end"] == numbers[iflink]["ifname"]
            assert row["bridge"] == numbers[iflink]["master"]
        compared += 1
    assert compared == 8  # web, multi 2, ov1 2, the task 3


def test_ps_has_each_model_with_its_parent_and_vni(hosts: Clients) -> None:
    shown = {(row["container"], row["network"]): row for row in rows("--host", url("A"))}
    assert shown["mac1", "mv"]["parent"] == "ens33" and shown["mac1", "mv"]["host_end"] is None
    assert shown["side", "container:web"]["namespace"] == shown["web", "bridge"]["namespace"]
    assert shown["hostmode", "host"]["namespace"] == f"/proc/{dockerd('A')}/ns/net"
    assert shown["alone", "none"]["model"] == "none"
    vni = hosts["A"].networks.get("vx").attrs["Options"]["com.docker.network.driver.overlay.vxlanid_list"]
    assert shown["ov1", "vx"]["vni"] == int(vni)
    assert shown["ov1", "docker_gwbridge"]["bridge"] == "docker_gwbridge"
    assert shown["multi", "blue"]["service"] == "db" and shown["multi", "blue"]["project"] == "shop"
    assert set(shown["web", "bridge"]["ports"]) >= {"0.0.0.0:8080->80/tcp", "127.0.0.1:5353->53/udp"}


def test_ps_answers_for_every_address_mac_and_veth(hosts: Clients) -> None:
    listed = rows("--host", url("A"))
    asked = {
        text: (row["container"], row["interface"])
        for row in listed
        if row["interface"]
        for text in (*(address.split("/")[0] for address in row["addresses"]), row["mac"], row["host_end"])
        if text and not text.startswith(("overlay:", "fe80"))
    }
    assert len(asked) > 20
    printed = json.loads(capnet("ps", "--host", url("A"), "--format", "json", *asked).stdout)["answers"]
    for text, (container, interface) in asked.items():
        sentences = [each["says"] for each in printed if each["asked"] == text]
        words = f"{interface} in container {container}", f"{interface} in load balancer {container}"
        assert any(word in sentence for word in words for sentence in sentences), (text, sentences)


def test_ps_answers_for_every_port_that_docker_prints(hosts: Clients) -> None:
    """`docker port` prints `53/udp -> 127.0.0.1:5353`: both of its sides are asked for."""
    daemon = url("A").partition("=")[2]
    words = ["docker", "-H", daemon, "port", "web"]
    printed = subprocess.run(words, capture_output=True, text=True, check=True).stdout.splitlines()
    assert len(printed) >= 2
    for line in printed:
        inside, _, outside = line.partition(" -> ")
        assert f"{outside} is published by container web" in capnet("ps", "--host", url("A"), outside).stdout
        assert f"{inside} is a port inside container web" in capnet("ps", "--host", url("A"), inside).stdout
    refused = capnet("ps", "--host", url("A"), "9999/tcp", code=2)
    assert "publishes port 9999/tcp; published: " in refused.stderr and "8080/tcp (web)" in refused.stderr


def test_ps_of_both_hosts_has_the_swarm_once(hosts: Clients) -> None:
    document = json.loads(capnet("ps", "--host", url("A"), "--host", url("B"), "--format", "json").stdout)
    assert {row["host"] for row in document["containers"]} == {"A", "B"}
    assert [network["name"] for network in document["networks"]].count("vx") == 1
    (service,) = document["services"]
    expected = hosts["A"].services.get("svc").attrs["Endpoint"]["VirtualIPs"]
    assert {vip["address"] for vip in service["vips"]} == {each["Addr"].split("/")[0] for each in expected}


def test_topology_of_a_host_equals_that_of_its_saved_outputs(hosts: Clients, tmp_path: Path) -> None:
    """The same questions, asked by a shell script and by capnet; files of namespaces and times differ."""
    words = [sys.executable, "-m", "capnet", "lab", "exec", "A", "sh", str(SAVE), "A", str(tmp_path)]
    subprocess.run(words, check=True, capture_output=True, cwd=PROJECT, env={**os.environ, "PYTHONPATH": str(PROJECT)})
    capnet("topology", "--from", tmp_path, "-o", tmp_path / "saved.json")
    capnet("topology", "--host", url("A"), "-o", tmp_path / "asked.json")
    saved, asked = (comparable(Topology.load(tmp_path / f"{name}.json")) for name in ("saved", "asked"))
    assert saved.networks == asked.networks
    assert saved.services == asked.services
    assert saved.containers == asked.containers
    assert saved.namespaces == asked.namespaces
    assert saved.hosts == asked.hosts


def comparable(topology: Topology) -> Topology:
    """Without files of namespaces, times, and what a running host is not asked for; in order."""
    for container in topology.containers:
        container.netns = None
        container.id = container.id if not container.balances else ""
        for endpoint in container.endpoints:
            endpoint.veth_netns = endpoint.veth_netns and "overlay"
    topology.namespaces = sorted((n for n in topology.namespaces if n.network), key=lambda each: str(each.network))
    for namespace in topology.namespaces:
        namespace.netns, namespace.routes, namespace.neighbours = "", [], []
    for host in topology.hosts:
        host.surveyed, host.netns, host.routes, host.neighbours, host.outputs, host.conntrack = (
            None,
            None,
            [],
            [],
            {},
            [],
        )
    topology.containers.sort(key=lambda each: each.name)
    topology.networks.sort(key=lambda each: each.name)
    return topology


def test_ps_without_root_tells_what_docker_and_bridges_know(hosts: Clients) -> None:
    """Another user, who may use Docker, but may enter no namespace; no container looks for him."""
    socket = Path(os.environ["CAPNET_LAB_DIR"], "A", "docker.sock")
    mode = socket.stat().st_mode
    user = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
    readable = ("--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search")  # for this Python and this folder
    inside = ("nsenter", f"--net=/proc/{dockerd('A')}/ns/net", *user, *readable)
    words = ("--host", url("A"), "--no-container")
    socket.chmod(0o666)
    try:
        hosts["A"].containers.get("web").exec_run(["ping", "-c", "1", "172.17.0.1"])  # docker0 learns its MAC
        expected = next(row["host_end"] for row in rows("--host", url("A")) if row["container"] == "web")
        done = capnet("ps", *words, "--format", "json", prefix=inside)
        elsewhere = capnet("ps", *words, "web", prefix=(*user, *readable))
    finally:
        socket.chmod(mode)
    shown = {(row["container"], row["network"]): row for row in json.loads(done.stdout)["containers"]}
    assert (shown["web", "bridge"]["host_end"], shown["web", "bridge"]["bridge"]) == (expected, "docker0")
    assert shown["ov1", "docker_gwbridge"]["addresses"]
    assert shown["multi", "blue"]["addresses"][1].startswith("fd00:50::")
    assert shown["ov1", "vx"]["interface"] is None
    assert "run capnet as root" in done.stderr and done.stderr.count("\n") == 1
    assert "172.17.0.2" in elsewhere.stdout and "only what Docker says" in elsewhere.stderr


def test_ps_with_an_ip_that_prints_no_json_says_so_once(hosts: Clients) -> None:
    """Small images have BusyBox in place of iproute2; here it lies over `ip`, for this run alone."""
    script = 'mount --make-rprivate / && mount --bind /bin/busybox "$(readlink -f "$(command -v ip)")" && exec "$@"'
    done = capnet("ps", "--host", url("A"), "web", prefix=("unshare", "-m", "sh", "-c", script, "sh"))
    assert done.stderr.count("\n") == 1 and "this ip is BusyBox's, which prints no JSON" in done.stderr
    assert "172.17.0.2 " in done.stdout and "  docker0  " in done.stdout


def test_survey_while_containers_come_and_go(hosts: Clients) -> None:
    ended = threading.Event()

    def churn() -> None:
        while not ended.is_set():
            with contextlib.suppress(docker.errors.APIError):
                hosts["A"].containers.run("busybox", ["true"], name="brief", detach=True).remove(force=True)

    thread = threading.Thread(target=churn)
    thread.start()
    opened = connect(url("A").partition("=")[2], name="A")
    try:
        for _ in range(15):
            topology = survey_host(opened)
            assert {"web", "multi", "mac1", "ov1"} <= {container.name for container in topology.containers}
            Topology.load(_saved(topology))
    finally:
        ended.set()
        thread.join()
        opened.close()


def _saved(topology: Topology) -> Path:
    path = Path(os.environ["CAPNET_LAB_DIR"]) / "survey.json"
    topology.save(path)
    return path


def test_fifty_containers_are_listed_in_two_seconds(hosts: Clients) -> None:
    """A shared machine may be busy for a moment, so the best of three counts."""
    client = hosts["B"]
    made = [client.containers.run("busybox", SLEEP, name=f"n{number}", detach=True) for number in range(MANY)]
    try:
        seconds = []
        for _ in range(3):
            begun = time.monotonic()
            listed = rows("--host", url("B"))
            seconds.append(time.monotonic() - begun)
        ours = [row for row in listed if row["container"][1:].isdecimal()]
        assert len({row["host_end"] for row in ours if row["bridge"] == "docker0"}) == MANY
        assert min(seconds) <= MAX_SECONDS, seconds
    finally:
        for container in made:
            container.remove(force=True)
