"""Docker hosts that dial in: a global service of the swarm runs a task on each node, which brings its API here.

A swarm starts tasks without host processes, capabilities for other namespaces, or a profile of one's own. So the task
does nothing but carry Docker's API, from the node's socket to this machine by TLS (`api_tunnel`); what needs root runs
in a capture container of the node, as everywhere.
Limits: the nodes must reach this machine, and have the capture image: the swarm cannot bring it without a registry.
"""

from __future__ import annotations

import json
import secrets
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from capnet.errors import EnvironmentLacks
from capnet.quick_tuple import NamedTuple
from capnet.record.remote import api_tunnel
from capnet.record.remote.docker_host import DockerHost, connect
from capnet.record.remote.image.daemon_image import capture_images, ensure_image, load_image, make_for
from capnet.record.remote.shell import cannot_run, wait_or_kill
from capnet.record.run_id import MADE, RUN, temporary_folder, this_run

NAME = "capnet-swarm"
SOCKET = "/var/run/docker.sock"  # of Docker on each node

_WITHIN = 60.0  # seconds until all nodes have dialled in
_FAILED = ("rejected", "failed", "complete", "shutdown", "orphaned")  # states of a task that does not run any more
_TASK = "/run/docker.sock"  # the node's socket, in the task


class SwarmNode(NamedTuple):
    """A node of a swarm: its id, its host name, and the address by which others reach it."""

    id: str
    name: str
    address: str


@contextmanager
def dialled_in(
    manager: DockerHost, nodes: Sequence[SwarmNode], say: Callable[[str], None]
) -> Iterator[list[DockerHost]]:
    """These nodes as Docker hosts, in their order, while the block runs; what it takes is removed behind it.

    Raises EnvironmentLacks, with what to do, where one does not dial in.
    """
    with ExitStack() as stack:
        image = _image(manager, say)
        folder = temporary_folder("swarm")
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        address = _own_address(nodes[0])
        make_certificate(folder)
        password = secrets.token_hex(32)
        port = _start_gate(folder, address, password, nodes, stack)
        say(f"{', '.join(node.name for node in nodes)}: a task of service {NAME} leads there (to {address}:{port})")
        environment = {
            "CAPNET_GATE": address,
            "CAPNET_PORT": str(port),
            "CAPNET_CERTIFICATE": (folder / "cert.pem").read_text(),
            "CAPNET_PASSWORD": password,
            "CAPNET_NODE": "{{.Node.ID}}",
            "CAPNET_DOCKER": _TASK,
        }
        service = _start_service(manager, image, nodes, environment, stack)
        _until_all_dialled(folder, service, nodes, f"{address}:{port}", image)
        hosts = []
        for node in nodes:
            url = f"tcp://{address}:{port}"  # by which its packets come: it is not captured
            host = connect(url, say=say, through=folder / f"{node.id}.sock")
            stack.callback(host.close)
            hosts.append(host)
        yield hosts


def _image(manager: DockerHost, say: Callable[[str], None]) -> str:
    """The tag of the image of the tasks: what `capnet image save` makes here, if it makes one."""
    with suppress(EnvironmentLacks):
        archive = make_for(manager.client.info())
        if archive.tag not in {tag for image in capture_images(manager.client) for tag in image["RepoTags"] or ()}:
            say(f"{manager.name}: load the image {archive.tag}")
            load_image(manager.client, archive.data)
        return archive.tag
    ensure_image(manager.client, say)
    tag: str = capture_images(manager.client)[0]["RepoTags"][0]
    return tag


def _own_address(node: SwarmNode) -> str:
    """The address of this machine that the node can reach: the one by which the node is reached from here."""
    family = socket.AF_INET6 if ":" in node.address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((node.address, 9))  # sends nothing
            address: str = probe.getsockname()[0]
            return address
    except OSError as error:
        raise EnvironmentLacks(
            f"{node.name}: no way from here to {node.address}, its address in the swarm ({error.strerror}); "
            "run capnet on a node of the swarm"
        ) from error


def make_certificate(folder: Path) -> None:
    """cert.pem and key.pem in the folder, for this run."""
    new = ("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30")
    words = ["openssl", *new, "-subj", "/CN=capnet", "-keyout", f"{folder}/key.pem", "-out", f"{folder}/cert.pem"]
    try:
        done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    except OSError as error:
        raise cannot_run(error) from error
    if done.returncode != 0:
        raise EnvironmentLacks(f"openssl makes no certificate: {(done.stderr.strip().splitlines() or ['?'])[-1]}")


def _start_gate(folder: Path, address: str, password: str, nodes: Sequence[SwarmNode], undo: ExitStack) -> int:
    """Starts the program to which the nodes dial in; its TCP port."""
    configuration = {
        "address": address,
        "folder": str(folder),
        "certificate": str(folder / "cert.pem"),
        "key": str(folder / "key.pem"),
        "password": password,
        "names": [node.id for node in nodes],
    }
    (folder / "gate.json").write_text(json.dumps(configuration))
    command = [sys.executable, "-I", "-S", api_tunnel.__file__, "gate", str(folder / "gate.json")]
    # Not tied by sh: the gate itself ends with its stdin.
    gate = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    )
    undo.callback(_end, gate)
    assert gate.stdout is not None and gate.stderr is not None
    line = gate.stdout.readline().strip()
    if not line.isdigit():
        words = gate.stderr.read().decode(errors="replace").strip().splitlines() or ["?"]
        raise EnvironmentLacks(f"no port of {address} can be listened on: {words[-1]}")
    return int(line)


def _end(process: subprocess.Popen[bytes]) -> None:
    for stream in (process.stdin, process.stdout, process.stderr):
        assert stream is not None
        with suppress(OSError):
            stream.close()
    wait_or_kill(process, 10)


def _start_service(
    manager: DockerHost, image: str, nodes: Sequence[SwarmNode], environment: dict[str, str], undo: ExitStack
) -> Any:
    """One task on each of the nodes."""
    from docker.errors import APIError
    from docker.types import Mount, RestartPolicy, ServiceMode

    wanted = {node.id for node in nodes}
    others = [node["ID"] for node in manager.client.api.nodes() if node["ID"] not in wanted]
    labels = {MADE: "1", RUN: this_run()}
    name = f"{NAME}-{secrets.token_hex(4)}"
    undo.callback(_remove, manager, name)  # by its name: an interrupt may come while Docker makes it
    program = Path(api_tunnel.__file__).read_text(encoding="utf-8")
    try:
        return manager.client.services.create(
            image,
            ["python3", "-c", program, "dial"],
            name=name,
            labels=labels,
            container_labels=labels,
            env=environment,
            constraints=[f"node.id != {other}" for other in others],
            mode=ServiceMode("global"),
            networks=["host"],
            mounts=[Mount(_TASK, SOCKET, type="bind", read_only=True)],
            restart_policy=RestartPolicy(condition="none"),
            stop_grace_period=0,
        )
    except APIError as error:
        raise EnvironmentLacks(f"the swarm starts no service: {error.explanation}") from error


def _remove(manager: DockerHost, name: str) -> None:
    import requests
    from docker.errors import APIError

    with suppress(APIError, requests.RequestException):
        manager.client.api.remove_service(name)


def _until_all_dialled(folder: Path, service: Any, nodes: Sequence[SwarmNode], gate: str, image: str) -> None:
    deadline = time.monotonic() + _WITHIN
    while missing := [node for node in nodes if not (folder / f"{node.id}.sock").exists()]:
        for task in service.tasks():
            node = next((each for each in missing if each.id == task.get("NodeID")), None)
            if node and task["Status"]["State"] in _FAILED:
                raise EnvironmentLacks(_why(node, task["Status"], _last_words(service), gate, image))
        if time.monotonic() > deadline:
            raise EnvironmentLacks(
                f"{missing[0].name} does not dial in within {_WITHIN:.0f} s; it must reach {gate} by TCP, "
                "or be reached by ssh with a key"
            )
        time.sleep(0.1)  # the tasks of a swarm are polled


def _last_words(service: Any) -> str:
    """The last line that a task printed."""
    import requests
    from docker.errors import APIError

    with suppress(APIError, requests.RequestException):
        lines = b"".join(service.logs(stdout=True, stderr=True, tail=1)).decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else ""
    return ""


def _why(node: SwarmNode, status: dict[str, Any], last_words: str, gate: str, image: str) -> str:
    """Why the task of a node does not run, and what to do."""
    words = status.get("Err") or status.get("Message") or status["State"]
    words = f"{words}, {last_words}" if last_words else words
    if "No such image" in words:
        return (
            f"{node.name} has no image {image}, and no registry has it: capnet image save | ssh {node.name} docker load"
        )
    if SOCKET in words:
        return f"{node.name}: its Docker has no socket {SOCKET} ({words}); let ssh reach it"
    return f"{node.name}: the task that leads there ended: {words}; it must reach {gate} by TCP"
