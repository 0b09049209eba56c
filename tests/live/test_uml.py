"""The lab's second kernel, as a person uses it. One boot for all that can share it; the interrupted ones end early."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from capnet.errors import EnvironmentLacks
from capnet.lab.addressing import Lab
from capnet.lab.daemon import dockerd
from capnet.lab.uml import client, machine, processor
from tests.conftest import PROJECT
from tests.live.tshark_view import tshark
from tests.live.wait_for_output import wait_for_output

pytestmark = pytest.mark.live


def start(folder: Path, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "capnet", *words],
        cwd=PROJECT,
        env={**os.environ, "CAPNET_LAB_DIR": str(folder)},
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def run(folder: Path, *words: str, code: int = 0, text: str = "") -> subprocess.CompletedProcess[str]:
    with start(folder, *words) as process:
        out, err = process.communicate(text, timeout=1000)
    assert process.returncode == code, err
    assert "Traceback" not in err
    return subprocess.CompletedProcess(words, process.returncode, out, err)


def machine_state() -> dict[str, object]:
    """What of this machine a kernel with its files as root could change, and must not."""
    return {
        "modules": Path("/lib/modules").exists() and sorted(path.name for path in Path("/lib/modules").iterdir()),
        "folders": sorted(
            str(path) for top in ("/etc", "/opt", "/var", "/var/lib", "/root") for path in Path(top).glob("*")
        ),
        "resolver": Path("/etc/resolv.conf").read_bytes(),
    }


def processes_of(folder: Path) -> list[str]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            state = (process / "stat").read_text().rpartition(") ")[2][:1]
        except OSError:
            continue
        if str(folder) in words and state != "Z":
            found.append(f"{process.name} {words}")
    return found


def until(condition: Callable[[], bool], seconds: float = machine.READY_WITHIN) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "does not happen"
        time.sleep(0.01)


@pytest.fixture(scope="module")
def uml_can_run() -> None:
    """Skips where the product says that this processor cannot run User-Mode Linux."""
    if lack := processor.lack():
        pytest.skip(lack)


@pytest.fixture(scope="module")
def uml(uml_can_run: None) -> Iterator[Path]:
    """The folder of a lab with the second kernel; afterwards nothing of it is left."""
    folder = Path(f"/run/capnet-uml-{os.getpid()}")
    before = machine_state()
    try:
        said = run(folder, "lab", "up", "--kernel", "uml").stderr
        assert "User-Mode Linux" in said
        took = float(said.splitlines()[-1].removeprefix("lab: up after ").removesuffix(" s"))
        print(f"User-Mode Linux and both daemons were up after {took} s")
        # 19 s on two processors; this is what a busy machine is given before the lab gives up
        assert took < machine.READY_WITHIN + dockerd.READY_WITHIN
        assert said.count("Docker") >= 3  # a step each: starting them, host A, host B
        yield folder
        run(folder, "lab", "down")
        assert processes_of(folder) == []
        assert not folder.exists()
        assert machine_state() == before
    finally:
        run(folder, "lab", "down", "--force")  # a scenario that was interrupted may still undo what it made


def play(folder: Path, name: str, output: Path, *words: str) -> tuple[Path, dict]:
    bundle = output / f"{name}.pcapng"
    done = run(folder, "scenario", name, "--lab", "--output", str(bundle), *words)
    assert done.stdout.splitlines()[-1] == str(bundle)
    return bundle, json.loads(bundle.with_name(f"{name}.topology.json").read_text())


def test_record_and_status_name_the_kernel(uml: Path) -> None:
    assert json.loads((uml / "lab.json").read_text())["kernel"] == "uml"
    assert "kernel uml" in run(uml, "lab", "status").stdout
    assert run(uml, "lab", "exec", "A", "uname", "-r").stdout.strip() == machine.release()


def test_other_kernel_is_refused_with_reason(uml: Path) -> None:
    said = run(uml, "lab", "up", "--kernel", "native", code=2).stderr
    assert "runs kernel uml, not native" in said
    assert "capnet lab down" in said
    assert "already up" in run(uml, "lab", "up").stderr  # whichever it is


def test_program_inside_is_like_one_outside(uml: Path) -> None:
    text = "".join(f"{number}\n" for number in range(30_000))  # more than the line holds
    assert run(uml, "lab", "exec", "A", "cat", text=text).stdout == text
    done = run(uml, "lab", "exec", "B", "sh", "-c", "hostname; pwd; echo trouble >&2; exit 7", code=7)
    assert done.stdout == f"B\n{PROJECT}\n"
    assert done.stderr == "trouble\n"
    assert run(uml, "lab", "exec", "A", "no-such-program", code=127).stdout == ""


def test_uml_reaches_no_network(uml: Path) -> None:
    """The kernel's own namespace has its loopback and no other device: no wire leads out of the process."""
    printed = b""

    def take(data: bytes) -> None:
        nonlocal printed
        printed += data

    assert client.run(uml, ["ip", "-j", "link"], out=take, err=take) == 0
    assert {link["ifname"] for link in json.loads(printed)} == {"lo"}


def test_ipvlan_l2_has_one_mac_for_all(uml: Path, tmp_path: Path) -> None:
    bundle, topology = play(uml, "ipvlan-l2", tmp_path)
    nic = next(each for each in topology["hosts"][0]["interfaces"] if each["name"] == "ens33")
    boxes = [each["endpoints"][0]["addresses"][0].split("/")[0] for each in topology["containers"]]
    own = nic["addresses"][0].split("/")[0]
    senders = set(tshark(bundle, "ip", "ip.src", "eth.src", interface="B/ens33"))
    assert {(ip, nic["mac"]) for ip in (*boxes, own)} <= senders
    assert not [row for row in senders if row[0] in boxes and row[1] != nic["mac"]]
    both = f"ip.addr == {boxes[0]} && ip.addr == {boxes[1]}"
    assert tshark(bundle, both, interface="A/ens33") == []
    assert len(tshark(bundle, both, interface="A/two/eth0")) > 6
    assert bundle.stat().st_uid == os.getuid()


def test_ipvlan_l3_is_unreachable_then_reachable(uml: Path, tmp_path: Path) -> None:
    bundle, _ = play(uml, "ipvlan-l3", tmp_path)
    assert tshark(bundle, "arp && (arp.dst.proto_ipv4 == 10.0.0.0/16 || arp.src.proto_ipv4 == 10.0.0.0/16)") == []
    between = tshark(
        bundle, "icmp && ip.addr == 10.0.1.2 && ip.addr == 10.0.2.2", "ip.ttl", "eth.src", "eth.dst",
        interface="A/one/eth0",
    )  # fmt: skip
    assert {ttl for ttl, _, _ in between} == {"64"}
    assert all(src == dst for _, src, dst in between)
    asked = tshark(bundle, "icmp.type == 8 && ip.src == 192.168.111.129", "ip.dst", interface="B/ens33")
    refused = tshark(bundle, "icmp.type == 3 && ip.src == 192.168.111.1", interface="B/ens33")
    answered = tshark(bundle, "icmp.type == 0 && ip.dst == 192.168.111.129", "ip.src", interface="B/ens33")
    assert refused
    assert len([each for each in asked if each == ("10.0.1.2",)]) > len(
        [each for each in answered if each == ("10.0.1.2",)]
    )
    assert ("10.0.2.2",) in answered
    routes = json.loads(run(uml, "lab", "exec", "B", "ip", "-j", "route").stdout)
    assert not [each for each in routes if each["dst"].startswith("10.0.")]  # taken back


def test_vlan_parent_is_tagged_on_the_wire_only(uml: Path, tmp_path: Path) -> None:
    bundle, _ = play(uml, "macvlan-vlan", tmp_path)
    assert {tag for (tag,) in tshark(bundle, "ip.addr == 192.168.10.0/24", "vlan.id", interface="B/ens33")} == {"10"}
    assert {tag for (tag,) in tshark(bundle, "ip", "vlan.id", interface="A/ens33.10")} == {""}
    for host in "AB":
        links = json.loads(run(uml, "lab", "exec", host, "ip", "-j", "link").stdout)
        assert "ens33.10" not in [link["ifname"] for link in links]


def test_encrypted_overlay_is_esp_on_the_wire_only(uml: Path, tmp_path: Path) -> None:
    bundle, topology = play(uml, "overlay-encrypted", tmp_path)
    boxes = [each["endpoints"][0]["addresses"][0].split("/")[0] for each in topology["containers"]]
    both = " && ".join(f"ip.addr == {each}" for each in boxes)
    for host in "AB":
        assert tshark(bundle, "udp.port == 4789", interface=f"{host}/ens33") == []
        assert tshark(bundle, both, interface=f"{host}/ens33") == []
        spis = tshark(bundle, "esp", "ip.src", "esp.spi", interface=f"{host}/ens33")
        assert len(set(spis)) == len({src for src, _ in spis}) == 2  # one security association each way
        assert len(tshark(bundle, f"icmp && {both}", interface=f"{host}/overlay:vxlanE/vxlan0")) == 6
        assert len(tshark(bundle, f"tcp && {both}", interface=f"{host}/overlay:vxlanE/vxlan0")) > 6


def test_interrupted_scenario_leaves_nothing_inside(uml: Path, tmp_path: Path) -> None:
    with start(uml, "scenario", "ipvlan-l2", "--lab", "--output", str(tmp_path)) as process:
        wait_for_output(process, "one to host")
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=400)
    assert process.returncode == 130
    assert list(tmp_path.iterdir()) == []
    assert run(uml, "lab", "exec", "A", "docker", "ps", "-aq").stdout == ""
    networks = run(uml, "lab", "exec", "A", "docker", "network", "ls", "--format", "{{.Name}}").stdout.split()
    assert sorted(networks) == ["bridge", "host", "none"]


@pytest.fixture
def folder() -> Iterator[Path]:
    chosen = Path(f"/run/capnet-umlx-{os.getpid()}")
    assert Lab(chosen).suffix
    try:
        yield chosen
        assert processes_of(chosen) == []
        assert not chosen.exists()
    finally:
        if chosen.exists():
            run(chosen, "lab", "down")


@pytest.mark.usefixtures("uml_can_run")
@pytest.mark.parametrize("when", ["lab.json", "init", "control"], ids=["before it starts", "it starts", "it answers"])
def test_killed_up_leaves_nothing_after_down(folder: Path, when: str) -> None:
    with start(folder, "lab", "up", "--kernel", "uml") as process:
        until(lambda: (folder / when).exists())
        process.kill()
    run(folder, "lab", "down")


@pytest.mark.usefixtures("uml_can_run")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_interrupted_up_undoes_itself(folder: Path, number: signal.Signals) -> None:
    with start(folder, "lab", "up", "--kernel", "uml") as process:
        until(lambda: (folder / "control").exists())
        process.send_signal(number)
        process.communicate(timeout=400)
    assert process.returncode == 130


@pytest.mark.usefixtures("uml_can_run")
def test_uml_ends_with_its_supervisor(folder: Path) -> None:
    with start(folder, "lab", "up", "--kernel", "uml") as process:
        until(lambda: (folder / "control").exists())
        supervisor = next(int(line.split()[0]) for line in processes_of(folder) if "uml.supervisor" in line)
        os.kill(supervisor, signal.SIGKILL)
        _, said = process.communicate(timeout=400)
    assert process.returncode == 4
    assert "User-Mode Linux" in said


def test_missing_program_is_named_with_its_package(folder: Path) -> None:
    hidden = f"mount --bind /dev/null {shutil.which('linux.uml')}; exec {sys.executable} -m capnet lab up --kernel uml"
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", hidden],
        cwd=PROJECT,
        env={**os.environ, "CAPNET_LAB_DIR": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (
        4,
        "capnet: the lab lacks linux.uml; apt-get install user-mode-linux\n",
    )


@pytest.fixture
def uml_cannot_run() -> None:
    """Skips where nothing speaks against User-Mode Linux: the tests of the refusal need such a processor."""
    if not processor.lack():
        pytest.skip("this processor has no registers that User-Mode Linux cannot save")


@pytest.mark.usefixtures("uml_cannot_run")
def test_unable_processor_is_refused_before_start(folder: Path) -> None:
    said = run(folder, "lab", "up", "--kernel", "uml", code=4).stderr
    assert said == f"capnet: {processor.LACK}\n"


@pytest.mark.usefixtures("uml_cannot_run")
def test_unable_processor_is_named_after_panic(folder: Path) -> None:
    """Without the check before it, the boot itself says the same, long before its time is over."""
    folder.mkdir()
    try:
        began = time.monotonic()
        with pytest.raises(EnvironmentLacks, match="AMX"):
            machine.wait(folder, machine.start(folder))
        assert time.monotonic() - began < machine.READY_WITHIN / 2
    finally:
        machine.end(folder)
        shutil.rmtree(folder)
