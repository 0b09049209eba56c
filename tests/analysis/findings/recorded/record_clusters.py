"""Records nodes of a cluster with the rules that kube-proxy and network plugins write, as `record` does:

    sudo python -m tests.analysis.findings.recorded.record_clusters [NAME]

cluster-dns       app asks the cluster IP of the name server, which is behind the router; nothing is wrong
dns-of-one-pod    the node drops the questions of app, and the name server answers other
endpoint-refuses  a service of both pods, of which other has no server
no-masquerade     the node translates nothing, and the router routes nothing back to the pods

The names that are asked for are in the service domain, and what answers is a few lines of Python.
"""

from __future__ import annotations

import subprocess
import sys

from tests.analysis.findings.recorded.record import SERVE, Recording, bridge, record, run, start

Programs = list[subprocess.Popen[bytes]]
ANSWER = """
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(('', 53))
while True:
    data, peer = s.recvfrom(512)
    record = b'\\xc0\\x0c\\0\\1\\0\\1\\0\\0\\0\\x1e\\0\\4\\n\\x60\\0\\n'
    s.sendto(data[:2] + b'\\x81\\x80\\0\\1\\0\\1\\0\\0\\0\\0' + data[12:] + record, peer)
"""
LOOK_UP = """
import socket, sys, time
time.sleep(2.5)
for number in range(4):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(0.3); s.connect((sys.argv[1], 53))
    name = b'\\3web\\7default\\3svc\\7cluster\\5local\\0\\0\\1\\0\\1'
    s.send(bytes([number, 7]) + b'\\1\\0\\0\\1\\0\\0\\0\\0\\0\\0' + name)
    try: s.recv(512)
    except OSError: pass
    time.sleep(0.4)
"""
CLUSTER_IP, PUBLIC = "10.96.0.10", "93.184.216.34"


def service(port: int, protocol: str, *endpoints: str) -> str:
    """kube-proxy's rules for a cluster IP, which takes endpoints in turn, and the bridge's packets through them."""
    rule = f"iptables -t nat -A PREROUTING -d {CLUSTER_IP} -p {protocol} --dport {port}"
    shares = [f"-m statistic --mode nth --every {len(endpoints) - number} --packet 0" if number < len(endpoints) - 1
              else "" for number in range(len(endpoints))]  # fmt: skip
    rules = [f"{rule} {share} -j DNAT --to {pod}:{port}" for share, pod in zip(shares, endpoints, strict=True)]
    return "; ".join([*rules, "sysctl -qw net.bridge.bridge-nf-call-iptables=1"])


def cluster_dns(programs: Programs) -> None:
    bridge()
    run("node", service(53, "udp", "10.60.0.5"))
    run("router", "ip route add 10.77.1.0/24 via 10.50.0.11")
    programs += [start("srv", "python3", "-c", ANSWER), start("app", "python3", "-c", LOOK_UP, CLUSTER_IP)]


def dns_of_one_pod(programs: Programs) -> None:
    bridge()
    run("router", "ip route add 10.77.1.0/24 via 10.50.0.11")
    run("node", "iptables -A FORWARD -s 10.77.1.8 -p udp --dport 53 -j DROP")
    programs.append(start("srv", "python3", "-c", ANSWER))
    programs.extend(start(pod, "python3", "-c", LOOK_UP, "10.60.0.5") for pod in ("app", "other"))


def endpoint_refuses(programs: Programs) -> None:
    bridge()
    run("node", service(80, "tcp", "10.77.1.8", "10.77.1.7"))
    run("router", f"ip route add {CLUSTER_IP} via 10.50.0.11")
    programs.append(start("app", "python3", "-c", SERVE))


def no_masquerade(_: Programs) -> None:
    bridge()
    run("srv", f"ip addr add {PUBLIC}/32 dev lo")
    run("router", f"ip route add {PUBLIC} via 10.60.0.5")


RECORDINGS: dict[str, Recording] = {
    "cluster-dns": (cluster_dns, ["node/cni0"], [("app", "10.77.1.1", 0)] * 4),
    "dns-of-one-pod": (dns_of_one_pod, ["app/eth0", "node/cni0"], [("app", "10.60.0.5", 0)] * 4),
    "endpoint-refuses": (endpoint_refuses, ["node/eth0"], [("router", CLUSTER_IP, 80)] * 6),
    "no-masquerade": (no_masquerade, ["node/eth0"], [("node", PUBLIC, 80), ("app", PUBLIC, 80), ("node", PUBLIC, 80)]),
}


def main() -> None:
    for name in sys.argv[1:] or RECORDINGS:
        record(name, RECORDINGS)


if __name__ == "__main__":
    main()
