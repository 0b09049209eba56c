"""A swarm over the scenario's hosts: the one that is there, else one made for this run."""

from __future__ import annotations

from contextlib import ExitStack, suppress
from typing import Any, Protocol

from capnet.errors import EnvironmentLacks, UsageError
from capnet.record.find.listening_ports import listening_ports
from capnet.record.remote.docker_host import DockerHost
from capnet.scenario.docker.removal import leave_swarm, remove_network
from capnet.scenario.wait import wait_until
from capnet.wire.numbers import PORT_SWARM_GOSSIP, PORT_SWARM_MANAGEMENT

_INGRESS = "ingress-sbox"  # libnetwork's name for what is on a host's end of the ingress network


class SwarmHost(Protocol):
    """What is asked of a scenario's host."""

    docker: DockerHost

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def address(self) -> str:
        """The IPv4 address by which the others reach it."""


def join(manager: SwarmHost, worker: SwarmHost, labels: dict[str, str], undo: ExitStack) -> None:
    """Puts both hosts into one swarm; returns when both nodes are ready.

    An existing swarm is used and never left: only memberships made here are given up by `undo`.
    """
    manager_state = manager.docker.client.info()["Swarm"]
    worker_state = worker.docker.client.info()["Swarm"]
    for host, state in ((manager, manager_state), (worker, worker_state)):
        if state["LocalNodeState"] == "inactive":
            _port_of_gossip_is_free(host)
            _make_gateway_bridge(host.docker.client, labels, undo)
    if manager_state["LocalNodeState"] == "inactive":
        if worker_state["LocalNodeState"] != "inactive":
            raise UsageError(
                f"{worker.name} is in a swarm and {manager.name} is not: let {manager.name} join it, or name the "
                "swarm's manager with --host"
            )
        undo.callback(leave_swarm, manager.docker.client)
        manager.docker.client.swarm.init(
            advertise_addr=manager.address,
            listen_addr=f"{manager.address}:{PORT_SWARM_MANAGEMENT}",
            data_path_addr=manager.address,
            labels=labels,
        )
    elif not manager_state.get("ControlAvailable"):
        raise UsageError(f"{manager.name} is no manager of its swarm: name a manager with --host")

    swarm = manager.docker.client.swarm
    swarm.reload()
    if worker_state["LocalNodeState"] == "inactive":
        if manager_state["LocalNodeState"] == "inactive":  # the swarm itself will be gone
            undo.callback(leave_swarm, worker.docker.client)
        else:
            undo.callback(_leave, worker.docker.client, known_to=manager.docker.client)
        enter(worker.docker.client, worker.address, manager.address, swarm.attrs["JoinTokens"]["Worker"])

    nodes = {host.docker.client.info()["Swarm"]["NodeID"] for host in (manager, worker)}

    def both_ready() -> bool:
        listed = manager.docker.client.nodes.list()
        return {node.id for node in listed if node.attrs["Status"]["State"] == "ready"} >= nodes

    wait_until(both_ready, f"{manager.name} and {worker.name} are ready nodes of one swarm", within=120)
    for host, state in ((manager, manager_state), (worker, worker_state)):
        if state["LocalNodeState"] == "inactive":
            _until_ingress(host)


def enter(client: Any, address: str, manager: str, token: str) -> None:
    """The host of this address joins the swarm of the manager at another; returns when it has.

    Docker answers after 20 s that it goes on to join in the background (swarmConnectTimeout), which is no error.
    """
    from docker.errors import APIError

    try:
        client.swarm.join(
            remote_addrs=[f"{manager}:{PORT_SWARM_MANAGEMENT}"],
            join_token=token,
            advertise_addr=address,
            listen_addr=f"{address}:{PORT_SWARM_MANAGEMENT}",
            data_path_addr=address,
        )
    except APIError as error:
        if "continue in the background" not in str(error.explanation):
            raise
        wait_until(
            lambda: client.info()["Swarm"]["LocalNodeState"] == "active", f"{address} is in the swarm", within=120
        )


def _port_of_gossip_is_free(host: SwarmHost) -> None:
    """EnvironmentLacks where it is not: Docker says nothing of it, and the host gets no network of the swarm."""
    shell = host.docker.shell
    if shell is not None and PORT_SWARM_GOSSIP in listening_ports(shell, shell.host_netns):
        raise EnvironmentLacks(
            f"port {PORT_SWARM_GOSSIP} of host {host.name} is taken, which a swarm needs: where Docker keeps it "
            "from a swarm that it has left, start Docker again (systemctl restart docker)"
        )


def _until_ingress(host: SwarmHost) -> None:
    """Returns when a host that has just entered the swarm is on its ingress network.

    A host makes its end of a swarm's networks one after the other, and Docker gives up attaching a container when
    that takes more than 20 s (daemon/cluster/networks.go): so nothing is attached while this one is being made.
    """
    from docker.errors import NotFound

    def is_there() -> bool:
        for network in host.docker.client.networks.list(names=["ingress"]):
            with suppress(NotFound):  # that of a swarm which the host has left
                network.reload()  # the list does not say who is on it
                if _INGRESS in (network.attrs["Containers"] or ()):
                    return True
        return False

    wait_until(is_there, f"{host.name} is on the swarm's ingress network", within=120)


def _make_gateway_bridge(client: Any, labels: dict[str, str], undo: ExitStack) -> None:
    """Makes docker_gwbridge as Docker itself would on entering a swarm, which never removes it again; ours is labelled.

    Docker uses the one it finds (Docker manual, "Customize the docker_gwbridge").
    """
    if client.networks.list(names=["docker_gwbridge"]):
        return
    made = client.networks.create(
        "docker_gwbridge",
        driver="bridge",
        labels=labels,
        options={
            "com.docker.network.bridge.name": "docker_gwbridge",
            "com.docker.network.bridge.enable_icc": "false",
            "com.docker.network.bridge.enable_ip_masquerade": "true",
        },
    )
    undo.callback(remove_network, made)


def _leave(client: Any, *, known_to: Any) -> None:
    """Leaves the swarm, if it was joined at all; the manager that knew the node then forgets it."""
    node = client.info()["Swarm"]["NodeID"]
    leave_swarm(client)
    if node:
        known_to.api.remove_node(node, force=True)
