"""advertised-address-fails: servers that name an address to which their clients cannot connect."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from capnet.topology import Container, Endpoint, Host, Interface, Topology
from tests.analysis.findings import dns_stories
from tests.analysis.findings.reported import Findings, named
from tests.stories import ACK, PSH, RST, SYN, Network, Packet, tcp, udp
from tests.story_reports import A, B, read

NAME = "advertised-address-fails"
INSIDE = "172.18.0.5"  # the server's own address, behind the published port of B
SECOND = 1e6  # µs
SLOTS = b"*2\r\n$7\r\nCLUSTER\r\n$5\r\nSLOTS\r\n"
GET = b"GET / HTTP/1.1\r\nHost: web\r\n\r\n"
ID = b"$40\r\n" + b"a" * 40 + b"\r\n"
OP_MSG = b"\0" * 4 + b"\xdd\x07\0\0"


def redirect(location: str) -> bytes:
    return b"HTTP/1.1 302 Found\r\nServer: nginx\r\nLocation: " + location.encode() + b"\r\nContent-Length: 0\r\n\r\n"


def slots(*nodes: tuple[str, int]) -> bytes:
    """CLUSTER SLOTS, as Redis 7 answers it."""
    ranges = (
        b"*3\r\n:0\r\n:5460\r\n*4\r\n$%d\r\n%s\r\n:%d\r\n" % (len(host), host.encode(), port) + ID + b"*0\r\n"
        for host, port in nodes
    )
    return b"*%d\r\n" % len(nodes) + b"".join(ranges)


def kafka_request(key: int, version: int, number: int) -> bytes:
    body = struct.pack(">hhih", key, version, number, 7) + b"rdkafka" + b"\0\0\0\0\x01"
    return struct.pack(">i", len(body)) + body


def kafka_brokers(version: int, number: int, *brokers: tuple[str, int]) -> bytes:
    """A Metadata response: of version 1, or 12 with tagged fields and varints."""
    body = struct.pack(">i", number)
    if version >= 9:
        body += b"\0" + struct.pack(">i", 0) + bytes([len(brokers) + 1])
        for node, (host, port) in enumerate(brokers):
            body += struct.pack(">i", node) + bytes([len(host) + 1]) + host.encode() + struct.pack(">i", port) + b"\0\0"
    else:
        body += struct.pack(">i", len(brokers))
        for node, (host, port) in enumerate(brokers):
            body += struct.pack(">ih", node, len(host)) + host.encode() + struct.pack(">ih", port, -1)
    return struct.pack(">i", len(body)) + body


def mongodb_hello(*hosts: str) -> bytes:
    elements = b"".join(
        b"\x02%d\0" % number + struct.pack("<i", len(host) + 1) + host.encode() + b"\0"
        for number, host in enumerate(hosts)
    )
    array = struct.pack("<i", len(elements) + 5) + elements + b"\0"
    document = b"\x08helloOk\0\x01\x04hosts\0" + array + b"\x02setName\0\x04\0\0\0rs0\0"
    body = b"\0" * 5 + struct.pack("<i", len(document) + 5) + document + b"\0"
    return struct.pack("<3i", 16 + len(body), 1, 7) + OP_MSG[4:] + body


class Session:
    """A client that asks B, and connects where B sends it."""

    def __init__(self, port: int, client: str = A) -> None:
        self.net, self.client, self.port, self.own_port = Network(["A/ens33"]), client, port, 50000

    def put(self, packet: Packet) -> None:
        self.net.pass_by(("A/ens33", packet.but(ident=len(self.net.recorded) + 1)), gap=500)

    def ask(self, *exchanges: tuple[bytes, bytes]) -> None:
        """Requests and answers of one connection."""
        self.own_port += 1
        out, back = (
            f"{self.client}:{self.own_port} > {B}:{self.port}",
            f"{B}:{self.port} > {self.client}:{self.own_port}",
        )
        sent, got = 101, 901
        self.put(tcp(out, seq=100, flags=SYN))
        self.put(tcp(back, seq=900, ack=101, flags=SYN | ACK))
        for request, answer in exchanges:
            self.put(tcp(out, request, seq=sent, ack=got, flags=PSH | ACK))
            self.put(tcp(back, answer, seq=got, ack=sent + len(request), flags=PSH | ACK))
            sent, got = sent + len(request), got + len(answer)

    def connect(self, address: str, port: int, answer: int | None = None) -> None:
        """`answer`: flags; None: the SYN is sent four times, in 4 s."""
        self.own_port += 1
        out, back = (
            f"{self.client}:{self.own_port} > {address}:{port}",
            f"{address}:{port} > {self.client}:{self.own_port}",
        )
        for _ in range(4 if answer is None else 1):
            self.put(tcp(out, seq=7, flags=SYN))
            if answer is not None:
                self.put(tcp(back, seq=3, ack=8, flags=answer))
            else:
                self.net.now += SECOND

    def look_up(self, name: str, code: int | None = dns_stories.NO_SUCH_NAME, kind: int = dns_stories.A) -> None:
        """`code`: of the answer; None: there is none."""
        self.own_port += 1
        ends = f"{self.client}:{self.own_port} > 192.168.111.2:53"
        question = udp(ends, dns_stories.message(name, kind, self.own_port))
        self.put(question)
        if code is not None:
            self.put(dns_stories.answer(question, code))

    def wait(self, seconds: float = 5) -> None:
        """The capture goes on."""
        self.net.now += seconds * SECOND
        self.put(udp("192.168.111.77:9 > 192.168.111.78:9", b"beside"))

    def findings(self, folder: Path, topology: Topology | None = None) -> Findings:
        return named(read(self.net, folder, topology=topology), NAME)


def redis(*answers: bytes) -> Session:
    played = Session(6379)
    played.ask(*((SLOTS if not number else b"*2\r\n$3\r\nGET\r\n$1\r\na\r\n", of) for number, of in enumerate(answers)))
    return played


def kafka(*brokers: tuple[str, int], version: int = 12) -> Session:
    played = Session(9092)
    versions = kafka_request(18, 3, 1), b"\0\0\0\x0a\0\0\0\x01" + bytes(6)
    played.ask(versions, (kafka_request(3, version, 2), kafka_brokers(version, 2, *brokers)))
    return played


def mongodb(*hosts: str) -> Session:
    played = Session(27017)
    played.ask((b"\x30\0\0\0\x01\0\0\0" + OP_MSG + bytes(32), mongodb_hello(*hosts)))
    return played


def http(location: str) -> Session:
    played = Session(80)
    played.ask((GET, redirect(location)))
    return played


@pytest.mark.parametrize("answer", [None, RST | ACK], ids=["unanswered", "refused"])
@pytest.mark.parametrize(
    ("played", "protocol"),
    [
        (lambda: kafka((INSIDE, 7000)), "kafka"),
        (lambda: kafka((INSIDE, 7000), version=1), "kafka"),
        (lambda: redis(slots((INSIDE, 7000))), "redis-cluster"),
        (lambda: redis(b"*0\r\n      ", b"-MOVED 3999 172.18.0.5:7000\r\n"), "redis-cluster"),
        (lambda: redis(b"*0\r\n      ", b"-ASK 3999 172.18.0.5:7000\r\n"), "redis-cluster"),
        (lambda: mongodb(f"{INSIDE}:7000"), "mongodb"),
        (lambda: http(f"http://{INSIDE}:7000/app"), "http"),
    ],
    ids=["kafka-12", "kafka-1", "slots", "moved", "ask", "mongodb", "http"],
)  # fmt: skip
def test_address_that_is_not_reached_is_told(tmp_path: Path, played: object, protocol: str, answer: int | None) -> None:
    assert callable(played)
    session: Session = played()
    session.connect(INSIDE, 7000, answer)
    (finding,) = session.findings(tmp_path)
    facts = finding["facts"]
    assert (finding["level"], facts["protocol"], facts["addresses"]) == ("warning", protocol, [f"{INSIDE}:7000"])
    assert facts["outcomes"] == ["refused" if answer else "unanswered"] and facts["clients"] == [A]
    assert len(finding["evidence"]) == 2


def test_master_of_sentinel_that_is_not_reached_is_told(tmp_path: Path) -> None:
    played = Session(26379)
    question = b"*3\r\n$8\r\nSENTINEL\r\n$23\r\nget-master-addr-by-name\r\n$8\r\nmymaster\r\n"
    played.ask((question, b"*2\r\n$10\r\n172.18.0.5\r\n$4\r\n6379\r\n"))
    played.connect(INSIDE, 6379)
    (finding,) = played.findings(tmp_path)
    assert finding["facts"]["protocol"] == "redis-sentinel"


@pytest.mark.parametrize(
    ("code", "words"),
    [(dns_stories.NO_SUCH_NAME, "DNS answers NXDOMAIN for kafka"), (None, "question for kafka gets no answer")],
)
def test_name_that_dns_does_not_resolve_is_told(tmp_path: Path, code: int | None, words: str) -> None:
    played = kafka(("kafka", 29092))
    played.look_up("kafka.lan", code)
    played.look_up("kafka", code)
    played.wait()
    (finding,) = played.findings(tmp_path)
    assert words in finding["says"] and "KAFKA_ADVERTISED_LISTENERS" in finding["fix"]
    assert len(finding["evidence"]) == (5 if code else 3)


@pytest.mark.parametrize("is_looked_up", [False, True])
def test_port_of_a_redirect_that_is_not_published_is_told(tmp_path: Path, is_looked_up: bool) -> None:
    """The name is the one that the client asks: it is not looked up again."""
    played = Session(80)
    if is_looked_up:
        played.look_up("web.example", 0)
    played.ask((GET, redirect("https://web.example/")))
    played.connect(B, 443, RST | ACK)
    (finding,) = played.findings(tmp_path)
    assert finding["facts"]["addresses"] == ["web.example:443"]


def test_failed_connections_are_explained(tmp_path: Path) -> None:
    played = redis(slots((INSIDE, 7000), (INSIDE, 7001)))
    played.connect(INSIDE, 7000, RST | ACK)
    played.connect(INSIDE, 7001)
    report = read(played.net, tmp_path)
    (finding,) = named(report, NAME)
    assert "1 connection there is refused and 1 connection there gets no answer" in finding["says"]
    assert not named(report, "connection-refused") and not named(report, "connection-unanswered")


def container(address: str) -> Topology:
    return Topology(
        hosts=[Host("A", "28.0", "6", [Interface("docker0", 3, "02:42:00:00:00:01", ["172.17.0.1/16"])])],
        containers=[Container("A", "web", "1", "i", "bridge", [Endpoint("bridge", "eth0", None, [f"{address}/16"])])],
    )


def test_loopback_that_is_named_to_a_container_is_told(tmp_path: Path) -> None:
    """A warning to a container; a note where it is not certain that the client is no host that publishes the port."""
    played = kafka(("localhost", 9092))
    played.wait()
    (finding,) = played.findings(tmp_path)
    assert finding["level"] == "info" and "the client itself" in finding["says"]
    (finding,) = played.findings(tmp_path, container(A))
    assert finding["level"] == "warning" and finding["facts"]["outcomes"] == ["loopback"]


def test_loopback_that_a_client_gets_repeatedly_is_told(tmp_path: Path) -> None:
    """Its other connections are asked for addresses only, two requests at once."""
    played = Session(9092)
    for number in range(3):
        requests = kafka_request(18, 3, 1), *(kafka_request(3, 12, each) for each in (2, 3))
        ends = f"{A}:{50001 + number} > {B}:9092", f"{B}:9092 > {A}:{50001 + number}"
        played.ask((requests[0], b"\0\0\0\x0a\0\0\0\x01" + bytes(6)))
        sent, got = 101 + len(requests[0]), 901 + 14
        for request in requests[1:]:
            played.put(tcp(ends[0], request, seq=sent, ack=got, flags=PSH | ACK))
            sent += len(request)
        for each in (2, 3):
            answer = kafka_brokers(12, each, ("localhost", 9092))
            played.put(tcp(ends[1], answer, seq=got, ack=sent, flags=PSH | ACK))
            got += len(answer)
    played.wait()
    (finding,) = played.findings(tmp_path)
    assert finding["level"] == "warning" and len(finding["evidence"]) == 3


def test_loopback_that_leads_to_the_server_is_silent(tmp_path: Path) -> None:
    """The client is the host of the published port: it connects again, by docker-proxy; or it is the gateway."""
    played = kafka(("localhost", 9092))
    played.ask((kafka_request(18, 3, 1), b"\0\0\0\x0a\0\0\0\x01" + bytes(6)))
    played.wait()
    assert played.findings(tmp_path) == []
    played = Session(9092, client="172.17.0.1")
    played.ask((kafka_request(3, 1, 2), kafka_brokers(1, 2, ("127.0.0.1", 9092))))
    played.wait()
    assert played.findings(tmp_path) == []
    assert played.findings(tmp_path, container("172.17.0.3")) == []


def test_loopback_of_a_redirect_is_silent(tmp_path: Path) -> None:
    """The client may be a proxy, whose own client the address is for."""
    played = http("http://localhost:8080/login")
    played.wait()
    assert played.findings(tmp_path) == []


def test_loopback_at_the_end_of_the_capture_is_silent(tmp_path: Path) -> None:
    assert kafka(("localhost", 9092)).findings(tmp_path) == []


def test_address_that_works_is_silent(tmp_path: Path) -> None:
    """Also where it failed once, or another node of the cluster fails."""
    played = redis(slots((INSIDE, 7000), (INSIDE, 7001)))
    played.connect(INSIDE, 7000, SYN | ACK)
    played.connect(INSIDE, 7000, RST | ACK)
    played.connect(INSIDE, 7001)
    assert played.findings(tmp_path) == []


def test_address_that_the_client_asks_is_silent(tmp_path: Path) -> None:
    """A member of three is down; the client is at one that names itself."""
    played = mongodb(f"{B}:27017", f"{INSIDE}:27017")
    played.connect(INSIDE, 27017)
    assert played.findings(tmp_path) == []


def test_name_that_dns_resolves_is_silent(tmp_path: Path) -> None:
    played = kafka(("kafka", 29092))
    played.look_up("kafka.lan")
    played.look_up("kafka", 0)
    played.look_up("kafka", kind=dns_stories.AAAA)
    played.connect("192.168.111.140", 29092)
    assert played.findings(tmp_path) == []


def test_address_that_is_not_tried_is_silent(tmp_path: Path) -> None:
    """As by curl without -L; another client's connection, and one before the answer, are others."""
    played = Session(80)
    played.connect(INSIDE, 7000, RST | ACK)
    played.ask((GET, redirect(f"http://{INSIDE}:7000/")))
    played.client = "192.168.111.130"
    played.connect(INSIDE, 7000)
    assert played.findings(tmp_path) == []


@pytest.mark.parametrize(
    "location", ["/relative", "ftp://172.18.0.5:7000/", "http://172.18.0.5:99999/", "http:///", "http://[zz]/"]
)
def test_redirect_without_an_address_is_silent(tmp_path: Path, location: str) -> None:
    played = http(location)
    played.connect(INSIDE, 7000)
    assert played.findings(tmp_path) == []


@pytest.mark.parametrize("seconds", [0, 20], ids=["end", "goes-on"])
def test_syn_that_is_not_sent_again_is_silent(tmp_path: Path, seconds: float) -> None:
    """The capture ends with it, or goes on: the client may have got an answer by a way that is not captured."""
    played = http(f"http://{INSIDE}:7000/")
    played.put(tcp(f"{A}:50009 > {INSIDE}:7000", seq=7, flags=SYN))
    if seconds:
        played.wait(seconds)
    assert played.findings(tmp_path) == []


@pytest.mark.parametrize("tries", [1, 3])
def test_client_that_gives_up_early_is_told_from_three_tries_on(tmp_path: Path, tries: int) -> None:
    """Each time it sends one SYN."""
    played = http(f"http://{INSIDE}:7000/")
    for number in range(tries):
        played.put(tcp(f"{A}:{50100 + number} > {INSIDE}:7000", seq=7, flags=SYN))
        played.wait(2)
    played.wait()
    assert [finding["name"] for finding in played.findings(tmp_path)] == [NAME] * (tries == 3)
