"""Services of Kubernetes on a node: the real kube-proxy, which a small API tells of the services and their pods.

kube-proxy writes the node's rules (mode iptables). What it asks the API for is in `kube_api_server`, which runs beside
it on the node's loopback. When the scenario ends, kube-proxy cleans up, and the chains that it leaves are removed.
Tried with kube-proxy 1.20.
"""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

from capnet.errors import EnvironmentLacks, ScenarioFailed, UsageError
from capnet.quick_tuple import NamedTuple
from capnet.scenario.host import ScenarioHost
from capnet.scenario.pods.flannel import CLUSTER
from capnet.scenario.wait import wait_until

SYSCTL = "/proc/sys/net/ipv4/conf/all/route_localnet"  # that kube-proxy sets
_NAMESPACE = "default"
_TABLES = ("nat", "filter", "mangle")
# Sysctls that belong to the whole machine stay as they are.
_OPTIONS = (
    "--kube-api-content-type=application/json", "--proxy-mode=iptables", "--conntrack-max-per-core=0",
    "--conntrack-tcp-timeout-established=0", "--conntrack-tcp-timeout-close-wait=0",
    "--metrics-bind-address=127.0.0.1:10249", "--healthz-bind-address=127.0.0.1:10256",
)  # fmt: skip


class KubeService(NamedTuple):
    """A service of type NodePort. `endpoints` is {address of a pod: its node}."""

    name: str
    cluster_ip: str
    port: int
    node_port: int
    endpoints: Mapping[str, str]
    is_local: bool = False  # externalTrafficPolicy Local: from outside only to pods of the node that is asked


def serve(host: ScenarioHost, services: Sequence[KubeService]) -> None:
    """Starts the host's kube-proxy; returns when its rules are there. They go when the scenario ends.

    UsageError where one runs already.
    """
    looking = host.own_programs(undo=":")
    if "KUBE-" in looking.run("iptables-save"):
        raise UsageError(f"host {host.name} is a node of Kubernetes already. Use hosts of a lab: --lab")
    host.own_programs(undo=_undo(looking.run(f"cat {SYSCTL}").strip()))
    port = _start_api(host, services)
    kube_proxy = ["kube-proxy", f"--master=http://127.0.0.1:{port}", f"--hostname-override={host.name}"]
    with tempfile.TemporaryFile() as log:
        program = host.start_program([*kube_proxy, f"--cluster-cidr={CLUSTER}", *_OPTIONS], stdout=log, stderr=log)

        def is_ready() -> bool:
            if program.poll() is not None:
                log.seek(0)
                lines = log.read().decode(errors="replace").strip().splitlines()
                raise ScenarioFailed(f"kube-proxy on {host.name} ended: {lines[-1] if lines else 'it said nothing'}")
            rules = looking.run("iptables-save -t nat")
            return all(f"--to-destination {pod}:" in rules for service in services for pod in service.endpoints)

        wait_until(is_ready, f"kube-proxy on {host.name} has written its rules", within=60)


def _start_api(host: ScenarioHost, services: Sequence[KubeService]) -> int:
    """Starts the API that kube-proxy asks; returns its TCP port on the host's 127.0.0.1."""
    source = files("capnet.scenario.pods").joinpath("kube_api_server.py").read_text(encoding="utf-8")
    shell = host.docker.shell
    python = sys.executable if shell and shell.is_direct else "python3"
    server = host.start_program(
        [python, "-c", source, json.dumps(objects(host, services))],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert server.stdout is not None
    port = server.stdout.readline().strip()
    if not port.isdigit():
        raise EnvironmentLacks(f"no Python 3 runs on host {host.name}: the API that kube-proxy asks is a program of it")
    return int(port)


def objects(host: ScenarioHost, services: Sequence[KubeService]) -> dict[str, list[dict[str, Any]]]:
    """The objects of the API by resource: the node, the services, and the slices of their endpoints."""
    addresses = [{"type": "InternalIP", "address": host.address}]
    return {
        "nodes": [{"metadata": {"name": host.name.lower()}, "status": {"addresses": addresses}}],
        "services": [_service(service) for service in services],
        "endpointslices": [_slice(service) for service in services],
    }


def _service(service: KubeService) -> dict[str, Any]:
    port = {"port": service.port, "targetPort": service.port, "protocol": "TCP", "nodePort": service.node_port}
    return {
        "metadata": {"name": service.name, "namespace": _NAMESPACE, "uid": service.name, "resourceVersion": "1"},
        "spec": {
            "type": "NodePort",
            "clusterIP": service.cluster_ip,
            "clusterIPs": [service.cluster_ip],
            "sessionAffinity": "None",
            "externalTrafficPolicy": "Local" if service.is_local else "Cluster",
            "ports": [port],
        },
    }


def _slice(service: KubeService) -> dict[str, Any]:
    endpoints = [
        # `topology` is what discovery.k8s.io/v1beta1 has for `nodeName`.
        {
            "addresses": [pod],
            "conditions": {"ready": True},
            "nodeName": node,
            "topology": {"kubernetes.io/hostname": node},
        }
        for pod, node in service.endpoints.items()
    ]
    return {
        "metadata": {
            "name": f"{service.name}-1",
            "namespace": _NAMESPACE,
            "resourceVersion": "1",
            "labels": {"kubernetes.io/service-name": service.name},
        },
        "addressType": "IPv4",
        "ports": [{"name": "", "port": service.port, "protocol": "TCP"}],
        "endpoints": endpoints,
    }


def _undo(route_localnet: str) -> str:
    """The script that removes all chains of kube-proxy, and sets back what it set."""
    chains = "; ".join(
        f"for chain in $(iptables-save -t {table} | sed -n 's/^:\\(KUBE-[^ ]*\\) .*/\\1/p'); do "
        f"iptables -w -t {table} -F $chain; done; "
        f"for chain in $(iptables-save -t {table} | sed -n 's/^:\\(KUBE-[^ ]*\\) .*/\\1/p'); do "
        f"iptables -w -t {table} -X $chain; done"
        for table in _TABLES
    )
    return f"kube-proxy --cleanup; {chains}; echo {shlex.quote(route_localnet)} >{SYSCTL}"
