"""Addresses that servers name: what is read of answers, and up to when they are looked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from capnet.analysis.aggregate.payload.streams import advertised, http, kafka, mongodb, redis
from capnet.analysis.engine import study
from tests.conftest import PROJECT
from tests.stories import ACK, PSH, SYN, Network, tcp

RECORDED = PROJECT / "tests/analysis/findings/recorded"
# What tshark's dissectors of kafka, mongo, RESP and HTTP read of the same answers (`-d tcp.port==9092,kafka` …).
NAMED = {
    "kafka-name": {("kafka", "kafka", 29092)},
    "kafka-localhost": {("kafka", "localhost", 9092)},
    "kafka-forwarded": {("kafka", "localhost", 9092)},
    "kafka-published": {("kafka", "10.50.0.11", 9092)},
    "mongo-members": {("mongodb", "mongo1", 27017), ("mongodb", "mongo2", 27017)},
    "mongo-published": {("mongodb", "10.50.0.11", 27017)},
    "redis-moved": {("redis-cluster", "10.77.1.8", port) for port in (7000, 7001, 7002)},
    "redis-announced": {("redis-cluster", "10.50.0.11", port) for port in (7000, 7001, 7002)},
    "nginx-port": {("http", "10.50.0.11", 8080)},
    "nginx-published": {("http", "10.50.0.11", 80)},
}
# As Redis 7.0.15 answers CLUSTER SLOTS, SHARDS and NODES.
ID = b"$40\r\n04aa4d4992afed94542a79b42e274b4ce22a6fa6\r\n"
SLOTS = b"*1\r\n*3\r\n:10923\r\n:16383\r\n*4\r\n$9\r\n127.0.0.1\r\n:7002\r\n" + ID + b"*0\r\n"
SHARDS = (
    b"*1\r\n*4\r\n$5\r\nslots\r\n*2\r\n:10923\r\n:16383\r\n$5\r\nnodes\r\n*1\r\n*14\r\n$2\r\nid\r\n"
    + ID
    + b"$4\r\nport\r\n"
    b":7002\r\n$2\r\nip\r\n$9\r\n127.0.0.1\r\n$8\r\nendpoint\r\n$9\r\n127.0.0.1\r\n$4\r\nrole\r\n$6\r\nmaster\r\n"
)
NODES = (
    b"$112\r\n04aa4d4992afed94542a79b42e274b4ce22a6fa6 127.0.0.1:7002@17002 myself,master - 0 1796042600 3 connected "
    b"10923-16383\n\r\n"
)
MASTER = b"*2\r\n$9\r\n127.0.0.1\r\n$4\r\n6400\r\n"  # SENTINEL get-master-addr-by-name
METADATA = bytes.fromhex("0000000e0003000c0000000200007264") + b"kafka"
BROKERS = bytes.fromhex("00000029000000020000000000020000006f066b61666b61000071a4000000") + bytes(8)
HELLO = (
    bytes.fromhex("60000000010000000700000 0dd070000".replace(" ", "")) + bytes(5) + b"\x4b\0\0\0\x08helloOk\0\x01"
    b"\x04hosts\0\x24\0\0\0\x02" + b"0\0\x0d\0\0\0mongo1:27017\0\x02" + b"1\0\x05\0\0\0db:1\0\0\0"
)
REDIRECT = b"HTTP/1.1 301 Moved\r\nlocation: HTTPS://[fd00::5]:8443/app\r\n\r\n"


@pytest.mark.parametrize("name", NAMED)
def test_recorded_answers_name_what_tshark_reads(name: str) -> None:
    named = study(sorted((RECORDED / name).glob("*.pcap"))).context.advertised
    assert {(address.protocol, address.host, address.port) for address in named} == NAMED[name]


@pytest.mark.parametrize("answer", [SLOTS, SHARDS, NODES], ids=["SLOTS", "SHARDS", "NODES"])
def test_nodes_of_a_cluster_are_read(answer: bytes) -> None:
    assert redis.nodes(redis.CLUSTER, answer) == [("127.0.0.1", 7002)]


def test_answers_of_each_protocol_are_read() -> None:
    assert redis.nodes(redis.SENTINEL, MASTER) == [("127.0.0.1", 6400)]
    assert kafka.brokers(METADATA, BROKERS) == [("kafka", 29092)]
    assert mongodb.members(HELLO) == [("mongo1", 27017), ("db", 1)]
    assert http.location(REDIRECT) == [("fd00::5", 8443)]


def test_answers_that_are_cut_or_damaged_are_read_up_to_there() -> None:
    """No octet makes a reader fail, and what is named is whole."""
    readers = {
        SLOTS: lambda octets: redis.nodes(redis.CLUSTER, octets),
        SHARDS: lambda octets: redis.nodes(redis.CLUSTER, octets),
        BROKERS: lambda octets: kafka.brokers(METADATA, octets),
        HELLO: mongodb.members,
        REDIRECT: http.location,
    }
    for octets, read in readers.items():
        whole = set(read(octets))
        for at in range(len(octets)):
            assert set(read(octets[:at])) <= whole
            for value in (0, 0x7F, 0xB2, 0xFF):  # 0xB2: "²" is a digit in Latin-1
                read(octets[:at] + bytes([value]) + octets[at + 1 :])


def cluster(net: Network, port: int, between: int = 0) -> None:
    """A client that is sent elsewhere, after so many other packets."""
    ends = f"10.0.0.1:{port} > 10.0.0.2:6379", f"10.0.0.2:6379 > 10.0.0.1:{port}"
    get = b"*2\r\n$3\r\nGET\r\n$1\r\na\r\n"
    fill = tcp("10.0.0.3:1 > 10.0.0.4:2", bytes(8), seq=5)
    for packet in (
        tcp(ends[0], seq=9, flags=SYN),
        tcp(ends[1], seq=7, ack=10, flags=SYN | ACK),
        tcp(ends[0], get, seq=10, ack=8, flags=PSH | ACK),
        *(fill.but(seq=number) for number in range(between)),
        tcp(ends[1], b"-MOVED 1 10.0.0.%d:7000\r\n" % (port % 250), seq=8, ack=10 + len(get), flags=PSH | ACK),
    ):
        net.pass_by(("A/eth0", packet.but(ident=len(net.recorded))), gap=10)


def test_late_answers_are_not_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The frames of a block are looked at together, so it takes several of them."""
    monkeypatch.setattr(advertised, "MAX_FRAMES", 10)
    net = Network(["A/eth0"])
    cluster(net, 40000, between=9000)
    assert study(net.write(tmp_path)).context.advertised == []


def test_addresses_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(advertised, "MAX_ADDRESSES", 3)
    net = Network(["A/eth0"])
    for port in range(40000, 40005):
        cluster(net, port)
    assert len(study(net.write(tmp_path)).context.advertised) == 3
