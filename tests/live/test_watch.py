"""`capnet watch` of a running container: its flows appear, and nothing stays when it ends."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from capnet.lab import lab
from tests.cli.test_watch import terminal

pytestmark = pytest.mark.live

FLOOD = """
import socket, time
sender, began = socket.socket(socket.AF_INET, socket.SOCK_DGRAM), time.monotonic()
for second in range(8):
    for _ in range(60_000):
        sender.sendto(bytes(1400), ("127.0.0.1", 9))
    time.sleep(max(0, began + second + 1 - time.monotonic()))
"""
FEW = """
import socket, time
sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for _ in range(400):
    sender.sendto(b"?", ("127.0.0.1", 9))
    time.sleep(0.1)
"""
BOUNDED = """
import sys
from capnet.cli import main, watch
watch.MAX_UNREAD = 1 << 20
sys.argv[1:] = sys.argv[4:]  # behind the words `python -m capnet`
main()
"""
ASK = "while true; do wget -q -O /dev/null http://172.17.0.2/; sleep 0.2; done"


@pytest.fixture
def url() -> Iterator[str]:
    """The URL of a Docker host with a web server and a client that asks it five times a second."""
    os.environ["CAPNET_LAB_DIR"] = f"/run/capnet-watch-{os.getpid()}"
    try:
        with lab.running(print) as made:
            client = docker.DockerClient(base_url=made.hosts["A"].docker_url)
            serve = "mkdir /srv && echo hello >/srv/index.html && exec httpd -f -h /srv"
            for name, command in (("web", serve), ("asks", ASK)):
                client.containers.run("busybox", ["sh", "-c", command], name=name, detach=True)
            yield made.hosts["A"].docker_url
            client.close()
    finally:
        del os.environ["CAPNET_LAB_DIR"]


def captures() -> list[str]:
    """Command lines of capture programs that capnet started."""
    lines = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_text(errors="replace").split("\0")
        except OSError:
            continue
        if words[0].rpartition("/")[2] in ("tcpdump", "dumpcap"):
            lines.append(" ".join(words))
    return lines


def test_disk_is_bounded_however_much_comes(tmp_path: Path) -> None:
    """Hundreds of times as much as may wait, which is less in this run than what comes from one look to the next.

    What could not be shown is told as lost by the capture, and not between points.
    """
    own = tmp_path / "tmp"
    own.mkdir()
    namespace = ["unshare", "-n", "sh", "-c", 'ip link set lo up; exec "$@"', "sh"]
    with subprocess.Popen([*namespace, "sleep", "300"]) as holder:
        try:
            enter = ["nsenter", f"--net=/proc/{holder.pid}/ns/net"]
            bounded = [*enter, sys.executable, "-c", BOUNDED]
            with terminal("watch", "-i", "lo", "udp", before=bounded, TMPDIR=str(own)) as opened:
                with subprocess.Popen([*enter, sys.executable, "-c", FEW]) as few:
                    opened.wait_for("→ 127.0.0.1:9")  # the capture program listens
                    few.kill()
                with subprocess.Popen([*enter, sys.executable, "-c", FLOOD]) as sender:
                    used = []
                    while sender.poll() is None:
                        opened.read()
                        used.append(sum(path.stat().st_blocks * 512 for path in own.rglob("*.capture")))
                opened.wait_for("the capture program lost")
                opened.press("q")
                assert opened.wait() == 0
        finally:
            holder.kill()
    assert max(used) < 100_000_000  # what comes in a second, in which a busy machine may not look
    assert "lost between" not in opened.text
    assert list(own.iterdir()) == []


@pytest.mark.parametrize("end", ["q", "\x03"], ids=["q", "ctrl-c"])
def test_flows_of_a_container_are_shown(url: str, end: str) -> None:
    before = captures()
    with terminal("watch", "asks", "--host", url) as opened:
        opened.wait_for("asks → web:80")
        opened.wait_for("bit/s")
        assert captures() != before
        opened.press(end)
        assert opened.wait() == 0
    assert captures() == before
