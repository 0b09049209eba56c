"""Whatever ends a recording, what was captured until then can be read, and nothing of the run is left.

A scenario pings twenty times a second. At a random moment (CAPNET_SEED, else 1) a signal comes to capnet, to a capture
program or to dockerd, a disk is full, or a step fails. The sequence numbers of the pings say which packets there were.
CAPNET_KILLS: how many moments, else one of each kind; tests/live/README.md has the table of a long run.
"""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import pytest

from capnet.lab import lab
from capnet.lab.addressing import Lab
from tests.live.labs import lab_folder
from tests.live.wait_for_output import rest_of_output, wait_for_output

pytestmark = pytest.mark.live

PROJECT = Path(__file__).parents[2]
POINTS = ("A/one/eth0", "A/veth", "A/docker0", "A/two/eth0")
PER_SECOND = 20
UNREAD_S = 1.5  # seconds that packets wait in the kernel's buffer and in the program's, and a busy machine's delay


@dataclass
class Run:
    """One run of the scenario, its folders, and what it said."""

    folder: Path
    process: subprocess.Popen[str]
    said: str = ""
    seconds: float = 0.0  # from the first ping until the moment
    left: list[str] = field(default_factory=list)

    @property
    def bundle(self) -> Path:
        return self.folder / "out" / "x.pcapng"

    def taps(self) -> list[int]:
        """Its capture programs, by the environment that they inherit."""
        return [pid for pid, name in processes(self.folder) if name in ("dumpcap", "tcpdump")]

    def finish(self) -> None:
        """Waits for its end; `said` has all that it said."""
        out, err = rest_of_output(self.process, 300)
        self.said += out + err


def processes(folder: Path) -> Iterator[tuple[int, str]]:
    """(pid, name) of processes whose TMPDIR is the run's."""
    mark = f"TMPDIR={folder / 'tmp'}".encode()
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            state = (process / "stat").read_text().rpartition(") ")[2][:1]
            if state != "Z" and mark in (process / "environ").read_bytes().split(b"\0"):
                yield int(process.name), (process / "comm").read_text().strip()


def start(folder: Path, **environment: str) -> Run:
    """Starts the scenario; returns when the pings begin."""
    (folder / "tmp").mkdir(exist_ok=True)
    words = ["-m", "tests.live.chatter", "scenario", "chatter", "--lab", "--output", str(folder / "out" / "x.pcapng")]
    process = subprocess.Popen(
        [sys.executable, *words], cwd=PROJECT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env={**os.environ, "TMPDIR": str(folder / "tmp"), **environment},
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),  # also where nohup(1) runs the tests
    )  # fmt: skip
    wait_for_output(process, "chatter begins")
    return Run(folder, process)


def command(folder: Path, *words: str) -> str:
    """What a command of capnet prints."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.live.chatter", *words], cwd=PROJECT, text=True, capture_output=True,
        env={**os.environ, "TMPDIR": str(folder / "tmp")}, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def requests(path: Path) -> dict[str, list[int]]:
    """Point → sequence numbers of the echo requests there, in the order of the file. tshark must read it to its end."""
    fields = ["-e", "frame.interface_name", "-e", "icmp.seq"]
    done = subprocess.run(
        ["tshark", "-n", "-r", str(path), "-Y", "icmp.type == 8", "-T", "fields", *fields],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    seen: dict[str, list[int]] = {}
    for line in done.stdout.splitlines():
        point, _, seq = line.partition("\t")
        seen.setdefault(re.sub(r"^A/veth\w+$", "A/veth", point), []).append(int(seq.split(",")[0]))
    return seen


def to_capnet(number: signal.Signals) -> Callable[[Run], None]:
    return lambda run: os.kill(run.process.pid, number)


def to_tap(number: signal.Signals) -> Callable[[Run], None]:
    return lambda run: os.kill(run.taps()[0], number)


def to_dockerd(number: signal.Signals) -> Callable[[Run], None]:
    def send(run: Run) -> None:
        pid = Path(os.environ["CAPNET_LAB_DIR"], "A", "dockerd.pid").read_text()
        os.kill(int(pid), number)

    return send


class Moment(NamedTuple):
    """What happens, the exit code after it, words that the run says, and whether `clean` makes the bundle."""

    act: Callable[[Run], None]
    code: int
    says: str
    needs_clean: bool = False


MOMENTS = {
    "capnet SIGINT": Moment(to_capnet(signal.SIGINT), 130, "are kept in {bundle}"),
    "capnet SIGTERM": Moment(to_capnet(signal.SIGTERM), 130, "are kept in {bundle}"),
    "capnet SIGHUP": Moment(to_capnet(signal.SIGHUP), 130, "are kept in {bundle}"),
    "capnet SIGKILL": Moment(to_capnet(signal.SIGKILL), -9, "", needs_clean=True),
    "tap SIGKILL": Moment(to_tap(signal.SIGKILL), 1, "at A/one/eth0 ended early: killed by SIGKILL"),
    "tap SIGTERM": Moment(to_tap(signal.SIGTERM), 1, "at A/one/eth0 ended early: another program told it to end"),
    "tap SIGSTOP": Moment(to_tap(signal.SIGSTOP), 0, "at A/one/eth0 had been stopped and goes on now"),
    "dockerd SIGKILL": Moment(to_dockerd(signal.SIGKILL), 4, "dockerd of host A (unix://"),
}


@pytest.fixture(scope="module")
def folder() -> Iterator[None]:
    """A lab folder of this module's own; nothing of it is there afterwards."""
    with lab_folder(Path(f"/run/capnet-lost-{os.getpid()}")):
        try:
            yield
        finally:
            lab.down(print)


def machine() -> dict[str, object]:
    """What a run could leave on this machine."""
    links = subprocess.run(["ip", "-o", "link"], capture_output=True, text=True, check=True).stdout
    suffix = Lab(Path(os.environ["CAPNET_LAB_DIR"])).suffix
    return {
        "namespaces": [path.name for path in Path("/run/netns").glob(f"*{suffix}")],
        "links": sorted(line.split(": ")[1] for line in links.splitlines()),
        "mounts": [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if suffix in line],
        "folder": Path(os.environ["CAPNET_LAB_DIR"]).exists(),
    }


def chosen() -> list[tuple[int, str]]:
    """(number, kind) of the moments of this run: each kind in turn."""
    kinds = list(MOMENTS)
    count = int(os.environ.get("CAPNET_KILLS", len(kinds)))
    return [(number, kinds[number % len(kinds)]) for number in range(count)]


@pytest.mark.parametrize(("number", "kind"), chosen(), ids=lambda value: str(value).replace(" ", "-"))
def test_killed_run_keeps_what_it_captured(folder: None, number: int, kind: str, tmp_path: Path) -> None:
    choose = random.Random(int(os.environ.get("CAPNET_SEED", "1")) * 1000 + number)
    moment = MOMENTS[kind]
    before = machine()
    run = start(tmp_path)
    begin = time.monotonic()
    time.sleep(choose.uniform(2.0, 5.0))  # the random moment
    run.seconds = time.monotonic() - begin
    moment.act(run)
    run.finish()
    assert run.process.returncode == moment.code, run.said
    assert moment.says.format(bundle=run.bundle) in run.said
    assert "Traceback" not in run.said
    if moment.needs_clean:
        assert f"are in {run.bundle} now" in command(tmp_path, "scenario", "clean", "--lab")
    is_captured_to_its_moment(run)
    command(tmp_path, "lab", "down")
    assert list((tmp_path / "tmp").iterdir()) == []
    assert list(processes(tmp_path)) == []
    assert machine() == before


def is_captured_to_its_moment(run: Run) -> None:
    """No ping is missing between the first and the last at any point; the last is from shortly before the moment."""
    seen = requests(run.bundle)
    assert set(seen) == set(POINTS)
    for point, numbers in seen.items():
        assert numbers == list(range(len(numbers))), point
        assert len(numbers) >= (run.seconds - UNREAD_S) * PER_SECOND * 0.8, (point, run.seconds)
    packets = sum(map(len, seen.values()))
    print(f"{run.seconds:.1f} s, {packets} echo requests at {len(seen)} points")


def test_failed_step_keeps_what_was_captured(folder: None, tmp_path: Path) -> None:
    """The step's error comes first, then where the packets are."""
    run = start(tmp_path, CHATTER_FAILS="1")
    run.finish()
    assert run.process.returncode == 1
    assert re.search(rf"`exit 7` failed with status 7: .*; \S+ packets .* are kept in {run.bundle}\n", run.said)
    assert {len(numbers) for numbers in requests(run.bundle).values()} == {40}
    assert (tmp_path / "out" / "x.topology.json").exists()


def test_complete_capture_is_not_replaced_by_a_part(folder: None, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "x.pcapng").write_bytes(b"as it was")
    run = start(tmp_path, CHATTER_FAILS="1")
    run.finish()
    assert (tmp_path / "out" / "x.pcapng").read_bytes() == b"as it was"
    assert {len(numbers) for numbers in requests(tmp_path / "out" / "x.partial.pcapng").values()} == {40}


@pytest.fixture
def small_disk(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A file system of this size."""
    path = tmp_path / "tmp"
    path.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={request.param}", "tmpfs", str(path)], check=True)
    yield path
    subprocess.run(["umount", "--lazy", str(path)], check=True)


@pytest.mark.parametrize("small_disk", ["600k"], indirect=True)
def test_full_disk_of_the_taps_keeps_what_fitted(folder: None, tmp_path: Path, small_disk: Path) -> None:
    """Exit code 4; each point has all pings up to one moment."""
    run = start(tmp_path)
    run.finish()
    assert run.process.returncode == 4, run.said
    assert f"found no space left in {small_disk}" in run.said
    assert "Traceback" not in run.said
    for numbers in requests(run.bundle).values():
        assert numbers == list(range(len(numbers)))
        assert len(numbers) > PER_SECOND
    assert list(small_disk.iterdir()) == []


@pytest.mark.parametrize("small_disk", ["70m"], indirect=True)
def test_full_disk_of_the_bundle_keeps_the_folder(folder: None, tmp_path: Path, small_disk: Path) -> None:
    """The bundle's place has no room: the packets stay in the taps' folder, and `clean` makes the bundle later."""
    other = tmp_path / "other"
    other.mkdir()
    (tmp_path / "out").symlink_to(small_disk)
    run = start(tmp_path, TMPDIR=str(other), CHATTER_FAILS="1")
    with suppress(OSError), (small_disk / "filler").open("wb", buffering=0) as filler:
        while filler.write(bytes(1 << 16)):
            pass
    run.finish()
    assert run.process.returncode == 1, run.said
    assert re.search(r"cannot write .*: No space left on device; \S+ packets .* are kept in .*capnet-", run.said)
    (small_disk / "filler").unlink()
    done = subprocess.run(
        [sys.executable, "-m", "capnet", "scenario", "clean", "--lab"], cwd=PROJECT, text=True, capture_output=True,
        env={**os.environ, "TMPDIR": str(other)}, timeout=300,
    )  # fmt: skip
    assert f"are in {run.bundle} now" in done.stdout + done.stderr, done.stderr
    assert {len(numbers) for numbers in requests(run.bundle).values()} == {40}
    assert list(other.iterdir()) == []


def test_lab_in_use_is_removed_only_by_force(folder: None, tmp_path: Path) -> None:
    """`lab down` names who uses the lab; with --force the scenario ends with a sentence, and its packets stay."""
    run = start(tmp_path)
    time.sleep(2.5)  # some fifty pings
    down = [sys.executable, "-m", "capnet", "lab", "down"]
    refused = subprocess.run(down, cwd=PROJECT, text=True, capture_output=True, stdin=subprocess.DEVNULL)
    assert refused.returncode == 2
    assert f"scenario chatter --lab --output {run.bundle} (process {run.process.pid}) uses the lab" in refused.stderr
    command(tmp_path, "lab", "down", "--force")
    run.finish()
    assert run.process.returncode in (1, 4), run.said  # the ping has ended, or already its daemon
    assert f"are kept in {run.bundle}" in run.said
    assert "Traceback" not in run.said
    assert all(len(numbers) > PER_SECOND for numbers in requests(run.bundle).values())
    assert list((tmp_path / "tmp").iterdir()) == []
