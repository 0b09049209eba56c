"""Hosts on which there is no root for capnet: a user in group docker, and a daemon behind TLS."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import docker
import pytest

from capnet.lab import lab
from capnet.lab.addressing import Lab
from capnet.record.remote.image.archive import FORMAT, LABEL
from capnet.record.run_id import this_run
from capnet.scenario.wait import wait_until
from tests.conftest import PROJECT
from tests.live.tshark_view import tshark
from tests.live.users import GROUP, HOME, UID, as_user, join_group, run_as_user

pytestmark = pytest.mark.live

CAPTURE = "capnet-capture"  # how capture containers and their image begin


@pytest.fixture(scope="module")
def made() -> Iterator[Lab]:
    before = os.environ.get("CAPNET_LAB_DIR")
    os.environ["CAPNET_LAB_DIR"] = f"/run/capnet-user-{os.getpid()}"
    try:
        with lab.running(print) as found:
            join_group(found)
            yield found
    finally:
        shutil.rmtree(HOME, ignore_errors=True)
        del os.environ["CAPNET_LAB_DIR"]
        if before is not None:
            os.environ["CAPNET_LAB_DIR"] = before


@pytest.fixture
def client(made: Lab) -> Iterator[Any]:
    with closing(docker.DockerClient(base_url=made.hosts["A"].docker_url)) as opened:
        yield opened
        assert _left(opened) == []
        assert _processes() == []


@pytest.fixture
def web(client: Any) -> Iterator[Any]:
    container = client.containers.run("busybox", ["sleep", "600"], name="web", detach=True)
    yield container
    container.remove(force=True)


def _left(client: Any) -> list[str]:
    """Capture containers that are there."""
    return [each.name for each in client.containers.list(all=True, ignore_removed=True) if CAPTURE in each.name]


def _processes() -> list[str]:
    """What runs as the user."""
    return subprocess.run(["pgrep", "-a", "-U", str(UID)], capture_output=True, text=True).stdout.splitlines()


def test_ps_of_docker_group_shows_host_ends(made: Lab, client: Any, web: Any) -> None:
    """The first call makes the image of this machine's programs. `ip` as root says which interface it must be."""
    url = made.hosts["A"].docker_url
    done = run_as_user("ps", "--host", url, "--format", "json")
    assert done.returncode == 0, done.stderr
    assert "a container runs what needs root, and is removed afterwards" in done.stderr
    assert "not seen" not in done.stderr
    (row,) = [each for each in json.loads(done.stdout)["containers"] if each["container"] == "web"]
    listed = subprocess.run(
        ["nsenter", f"--net={made.hosts['A'].netns}", "ip", "-j", "link", "show", "type", "veth"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert row["host_end"] in {entry["ifname"] for entry in json.loads(listed.stdout)} - {"ens33"}
    assert len(client.images.list(CAPTURE)) == 1


def test_capture_of_docker_group_loses_nothing(made: Lab, client: Any, web: Any) -> None:
    """All that was sent until the capture is told to end, which is right behind the last packet."""
    file = HOME / "web.pcapng"
    with _capture(made, "web", "-w", str(file), "icmp") as capturing:
        web.exec_run(["ping", "-c", "3000", "-A", "-q", "172.17.0.1"])
        capturing.send_signal(signal.SIGINT)
        said = capturing.communicate(timeout=120)[1]
    assert capturing.returncode == 0, said
    veth = next(point["interface"] for point in _topology(file)["points"] if point["role"] == "veth")
    for point in ("A/web/eth0", f"A/{veth}", "A/docker0"):
        assert len(tshark(file, "icmp", "frame.number", interface=point)) == 6000, point
    assert {point["host"] for point in _topology(file)["points"]} == {"A"}


@pytest.mark.parametrize("words", [("web", "late"), ("--all",)], ids=["names", "all"])
def test_later_container_joins_without_root(made: Lab, client: Any, web: Any, words: tuple[str, ...]) -> None:
    """Its points are those of any other; capnet's own container is none of them."""
    file = HOME / f"later{len(words)}.pcapng"
    late = client.containers.run("busybox", ["sleep", "600"], name="late", detach=True)
    try:
        with _capture(made, *words, "-w", str(file), "icmp") as capturing:
            late.restart(timeout=0)
            assert capturing.stderr is not None
            said = ""
            for line in capturing.stderr:
                said += line
                if "A/late/eth0#2" in line:
                    break
            late.exec_run(["ping", "-c", "5", "-i", "0.1", "-q", "172.17.0.1"])
            capturing.send_signal(signal.SIGINT)
            said += capturing.communicate(timeout=120)[1]
        assert capturing.returncode == 0, said
        assert len(tshark(file, "icmp", "frame.number", interface="A/late/eth0#2")) == 10
        names = [container["name"] for container in _topology(file)["containers"]]
        assert sorted(names) == ["late", "web"]
        assert not any(CAPTURE in point["name"] for point in _topology(file)["points"])
        assert "A/lo" not in {point["name"] for point in _topology(file)["points"]}
    finally:
        late.remove(force=True)


def test_scenario_of_docker_group_meets_expectations(made: Lab, client: Any) -> None:
    urls = [made.hosts[name].docker_url for name in "AB"]
    done = run_as_user("scenario", "overlay", "--host", urls[0], "--peer", urls[1])
    assert done.returncode == 0, done.stderr
    assert "all 8 expectations are met" in done.stderr + done.stdout


def test_topology_of_docker_group_is_whole(made: Lab, client: Any, web: Any) -> None:
    file = HOME / "host.topology.json"
    done = run_as_user("topology", "--host", made.hosts["A"].docker_url, "-o", str(file))
    assert done.returncode == 0, done.stderr
    (host,) = _topology(file)["hosts"]
    assert not host.get("unseen")


def test_killed_capture_leaves_no_container(made: Lab, client: Any, web: Any) -> None:
    """kill -9: the container ends with the connection to it, and takes its programs along."""
    with _capture(made, "web", "-w", str(HOME / "killed.pcapng")) as capturing:
        assert len(_left(client)) == 1
        (name,) = _left(client)
        inside = [words[-1] for words in client.containers.get(name).top()["Processes"]]
        assert any("dumpcap" in words or "tcpdump" in words for words in inside)
        capturing.kill()
    wait_until(lambda: _left(client) == [] and _processes() == [], "container and programs are gone", within=30)


def test_clean_removes_container_of_dead_run(made: Lab, client: Any) -> None:
    """One that Docker could not remove itself; it is told by its labels."""
    labels = {"capnet": "1", "capnet.run": f"{this_run().partition('-')[0]}-1-1"}
    client.containers.create("busybox", ["sh"], name=f"{CAPTURE}-left", labels=labels)
    done = run_as_user("scenario", "clean", "--host", made.hosts["A"].docker_url)
    assert done.returncode == 0, done.stderr
    assert f"{CAPTURE}-left" in done.stdout + done.stderr
    assert _left(client) == []


def test_image_travels_as_an_archive(made: Lab, client: Any) -> None:
    url = made.hosts["A"].docker_url
    saved = HOME / "image.tar"
    for words in (("rm", "--host", url), ("save", "-o", str(saved)), ("load", str(saved), "--host", url)):
        done = run_as_user("image", *words)
        assert done.returncode == 0, done.stderr
    (image,) = client.images.list(CAPTURE)
    assert image.labels == {LABEL: FORMAT}
    refused = run_as_user("image", "load", str(PROJECT / "README.md"), "--host", url)
    assert refused.returncode == 4 and "the daemon does not take the image" in refused.stderr


def test_container_of_another_namespace_is_captured(made: Lab, client: Any, web: Any) -> None:
    """`--network container:web` has the interfaces of web: its points are those."""
    side = client.containers.run("busybox", ["sleep", "600"], name="side", network_mode="container:web", detach=True)
    try:
        file = HOME / "side.pcapng"
        with _capture(made, "side", "-w", str(file), "icmp") as capturing:
            side.exec_run(["ping", "-c", "3", "-q", "172.17.0.1"])
            capturing.send_signal(signal.SIGINT)
            said = capturing.communicate(timeout=120)[1]
        assert capturing.returncode == 0, said
        assert len(tshark(file, "icmp", "frame.number", interface="A/web/eth0")) == 6
    finally:
        side.remove(force=True)


# -- other daemons -------------------------------------------------------------------------------------
def test_users_are_mapped_and_container_is_captured(made: Lab) -> None:
    """dockerd --userns-remap refuses the host's network and processes, unless the container asks for its users too."""
    host, folder = made.hosts["B"], HOME / "remap"
    folder.mkdir()
    (folder / "subid").write_text("nobody:200000:65536\nnogroup:200000:65536\n")
    (folder / "daemon.json").write_text("{}")
    url = f"unix://{folder}/docker.sock"
    start = f"mount --bind {folder}/subid /etc/subuid && mount --bind {folder}/subid /etc/subgid && exec "
    dockerd = [
        *("dockerd", "-H", url, "--userns-remap=nobody:nogroup", f"--group={GROUP}", f"--data-root={folder}/data"),
        *(f"--exec-root={folder}/exec", f"--pidfile={folder}/pid", f"--config-file={folder}/daemon.json"),
        *("--bridge=none", "--iptables=false", "--exec-opt=native.cgroupdriver=cgroupfs"),
        f"--cgroup-parent=/{host.cgroup}",
    ]
    namespaces = [f"--target={host.pidfile.read_text()}", "--net", "--mount", "--uts"]
    inside = ["nsenter", *namespaces, "--", "unshare", "--mount"]
    with (folder / "log").open("wb") as log:
        daemon = subprocess.Popen([*inside, "sh", "-c", start + shlex.join(dockerd)], stderr=log)
    try:
        wait_until(lambda: b"API listen" in (folder / "log").read_bytes(), "dockerd listens", within=60)
        with closing(docker.DockerClient(base_url=url)) as mapped:
            saved = subprocess.run([sys.executable, "-m", "capnet", "image", "save"], cwd=PROJECT, capture_output=True)
            (image,) = mapped.images.load(saved.stdout)
            mapped.containers.run(image, ["sleep", "600"], name="mapped", network_mode="none", detach=True)
            done = run_as_user("capture", "mapped", "--host", url, "--duration", "1", "-w", str(HOME / "mapped.pcapng"))
            assert done.returncode == 0, done.stderr
            assert "B/mapped/lo" in done.stderr
            mapped.containers.get("mapped").remove(force=True)
    finally:
        daemon.terminate()
        daemon.wait(60)


# -- behind TLS ----------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def encrypted(made: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """A dockerd of host B that answers by TLS only: its URL, and the folder with the client's certificates."""
    folder = tmp_path_factory.mktemp("tls")
    host = made.hosts["B"]
    _certificates(folder, host.address)
    url = f"tcp://{host.address}:2376"
    (folder / "daemon.json").write_text("{}")
    command = [
        *("nsenter", f"--target={host.pidfile.read_text()}", "--net", "--mount", "--uts", "--", "dockerd", "-H", url),
        *("--tlsverify", f"--tlscacert={folder}/ca.pem", f"--tlscert={folder}/server.pem"),
        *(f"--tlskey={folder}/server-key.pem", f"--config-file={folder}/daemon.json", f"--data-root={folder}/data"),
        *(f"--exec-root={folder}/exec", f"--pidfile={folder}/pid", "--bridge=none", "--iptables=false"),
        *("--exec-opt=native.cgroupdriver=cgroupfs", f"--cgroup-parent=/{host.cgroup}", "--storage-driver=overlay2"),
    ]
    with (folder / "log").open("wb") as log, subprocess.Popen(command, stderr=log) as dockerd:
        try:
            wait_until(lambda: b"API listen" in (folder / "log").read_bytes(), "dockerd listens", within=60)
            yield url, folder
        finally:
            dockerd.terminate()


def _certificates(folder: Path, address: str) -> None:
    """ca.pem, server.pem for this address, cert.pem for clients, and their keys; as Docker's manual makes them."""

    def openssl(*words: str) -> None:
        subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)

    new_key = ("-newkey", "rsa:2048", "-nodes", "-keyout")
    openssl("req", "-x509", *new_key, "ca-key.pem", "-out", "ca.pem", "-subj", "/CN=ca")
    (folder / "names").write_text(f"subjectAltName=IP:{address}\n")
    for name, key in (("server", "server-key.pem"), ("cert", "key.pem")):
        openssl("req", *new_key, key, "-out", f"{name}.csr", "-subj", f"/CN={name}")
        signing = ("-CA", "ca.pem", "-CAkey", "ca-key.pem", "-CAcreateserial", "-extfile", "names")
        openssl("x509", "-req", "-in", f"{name}.csr", "-out", f"{name}.pem", *signing)


def test_capture_behind_tls_leaves_itself_out(made: Lab, encrypted: tuple[str, Path], tmp_path: Path) -> None:
    """What is captured at B's NIC comes through that NIC, to A: it is not captured again."""
    url, certificates = encrypted
    file = tmp_path / "tls.pcapng"
    settings = {"DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": str(certificates)}
    words = [sys.executable, "-m", "capnet", "capture", "-i", "ens33", "--host", f"B={url}", "-w", str(file)]
    with subprocess.Popen(
        ["nsenter", f"--net={made.hosts['A'].netns}", "--", *words],
        stderr=subprocess.PIPE, text=True, cwd=PROJECT, env={**os.environ, **settings},
    ) as capturing:  # fmt: skip
        _until_it_listens(capturing)
        ping = ["ping", "-c", "50", "-i", "0.02", "-q", made.hosts["B"].address]
        subprocess.run(["nsenter", f"--net={made.hosts['A'].netns}", *ping], check=True, capture_output=True)
        capturing.send_signal(signal.SIGINT)
        said = capturing.communicate(timeout=120)[1]
    assert capturing.returncode == 0, said
    assert len(tshark(file, "icmp", "frame.number", interface="B/ens33")) == 100
    assert tshark(file, "tcp.port == 2376", "frame.number") == []


def test_untrusted_certificate_is_refused(made: Lab, encrypted: tuple[str, Path], tmp_path: Path) -> None:
    url, _ = encrypted
    _certificates(tmp_path, made.hosts["B"].address)
    done = subprocess.run(
        ["nsenter", f"--net={made.hosts['A'].netns}", "--", sys.executable, "-m", "capnet", "ps", "--host", url],
        capture_output=True, text=True, cwd=PROJECT,
        env={**os.environ, "DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == 4
    assert "certificate verify failed" in done.stderr and "Traceback" not in done.stderr


# -- helpers ---------------------------------------------------------------------------------------------
def _capture(made: Lab, *words: str) -> subprocess.Popen[str]:
    """`capnet capture` as the user, when it listens."""
    command = as_user("capture", *words, "--host", made.hosts["A"].docker_url)
    capturing = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    _until_it_listens(capturing)
    return capturing


def _until_it_listens(capturing: subprocess.Popen[str]) -> None:
    """It says where it writes to before its programs start; a file with a header is there when all listen."""
    assert capturing.stderr is not None
    said = []
    for line in capturing.stderr:
        said.append(line)
        if line.startswith("into "):
            break
    else:
        raise AssertionError("".join(said))
    file = Path(line.removeprefix("into ").partition(";")[0])
    wait_until(lambda: file.exists() or capturing.poll() is not None, "it captures", within=60)
    assert capturing.poll() is None, capturing.stderr.read()


def _topology(capture: Path) -> Any:
    path = capture if capture.suffix == ".json" else capture.with_suffix(".topology.json")
    return json.loads(path.read_text())
