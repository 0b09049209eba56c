"""`capnet ps` and `capnet topology` as a person meets them, on recorded hosts. Live ones: tests/live/test_ps.py."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from capnet.topology import Host, Topology
from capnet.topology.model import StoppedContainer
from tests.record.saved_hosts import ARCHIVE, texts, unpacked

ROOT = Path(__file__).resolve().parents[2]
IPVLAN = ROOT / "pcaps" / "ipvlan-l2.topology.json"


def capnet(*words: object, code: int = 0, cwd: Path = ROOT) -> tuple[str, str]:
    """(standard output, standard error) of a run that must end with this exit code."""
    done = subprocess.run(
        [sys.executable, "-m", "capnet", *map(str, words)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "100"},
    )
    assert done.returncode == code, done.stderr
    return done.stdout, done.stderr


def test_ps_lists_containers_networks_and_services() -> None:
    out, _ = capnet("ps", "--from", ARCHIVE)
    assert "  A     web           bridge           eth0    172.17.0.2 " in out
    assert "  mv               A     macvlan        192.168.111.0/24  192.168.111.1  ens33\n" in out
    assert "  svc      vip    10.0.0.4 on ingress  8088->80/tcp (ingress)\n" in out
    assert max(map(len, out.splitlines())) <= 100


def test_ps_of_a_name_answers_first() -> None:
    out, err = capnet("ps", "--from", IPVLAN, "192.168.111.10", "two")
    lines = out.splitlines()
    assert " ".join(" ".join(lines[:2]).split()) == (
        "192.168.111.10 is eth0 in container one on host A, on network ipvlanA (ipvlan l2); its parent is ens33."
    )
    assert lines[2].startswith("two is a container (image busybox")
    assert "  A     one        ipvlanA" in lines[5] and "  A     two        ipvlanA" in lines[6]
    assert err == ""


def test_ps_of_an_unknown_name_is_one_line() -> None:
    out, err = capnet("ps", "--from", IPVLAN, "tow", code=2)
    assert (out, err) == ("", "capnet: nothing on A or B is called tow; nearest: two\n")


def test_ps_of_a_network_has_its_endpoints_only() -> None:
    out, _ = capnet("ps", "--from", ARCHIVE, "--network", "vx", "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert {row["network"] for row in rows} == {"vx"} and len(rows) == 6
    _, err = capnet("ps", "--from", ARCHIVE, "--network", "vxx", code=2)
    assert err.endswith("capnet: no network is called vxx; nearest: vx, vx6\n")


def test_ps_as_json_has_the_answers() -> None:
    document = json.loads(capnet("ps", "--from", ARCHIVE, "--format", "json", "172.17.0.2")[0])
    assert document["answers"] == [
        {
            "asked": "172.17.0.2",
            "kind": "inside",
            "says": "172.17.0.2 is eth0 in container web on host A, on network bridge; its host end is veth949e56e; "
            "shared with side.",
        }
    ]
    assert [row["container"] for row in document["containers"]] == ["side", "web"]
    assert [network["name"] for network in document["networks"]] == ["bridge", "bridge"]


def test_ps_says_which_files_it_did_not_use() -> None:
    _, err = capnet("ps", "--from", ARCHIVE)
    assert err == (
        "capnet: not used: A/docker-ps.txt: a text of an unknown kind\n"
        "capnet: not used: A/ip-a.txt: output of ip without -j: save `ip -j -d address`\n"
    )


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["ps", "--from", "missing"], 3, "missing: No such file or directory"),
        (["ps", "--from", "pyproject.toml"], 3, "pyproject.toml: nothing that Docker, ip,"),
        (["ps", "--from", IPVLAN, "--host", "unix:///x"], 2, "leave one of them out"),
        (["ps", "--host", "unix:///nonexistent.sock"], 4, "no Docker daemon answers at unix:///nonexistent.sock"),
        (["ps", "--host", "A="], 2, "write NAME=URL, both of them"),
        (["ps", "--host", "ftp://x"], 2, "a Docker host is"),
        (["topology", "a", "b"], 2, "write --from before files to read"),
        (["topology", "--from", "missing"], 3, "missing: No such file or directory"),
        (["topology", "--from", IPVLAN, "--host", "unix:///x"], 2, "leave one of them out"),
        (["topology", "--host", "unix:///nonexistent.sock"], 4, "start Docker, or name another host with --host"),
    ],
)
def test_wrong_words_are_one_line(words: list[object], code: int, says: str) -> None:
    out, err = capnet(*words, code=code)
    assert out == "" and says in err.splitlines()[-1]


@pytest.mark.parametrize(
    ("name", "begins"), [("a.json", "{"), ("a.txt", "A  Docker"), ("a.svg", "<svg "), ("a.dot", "graph topology {")]
)
def test_topology_is_written_as_the_file_is_called(tmp_path: Path, name: str, begins: str) -> None:
    out, _ = capnet("topology", "--from", ARCHIVE, "-o", tmp_path / name)
    assert out == "" and (tmp_path / name).read_text().startswith(begins)


def test_topology_of_saved_outputs_is_what_analyze_takes(tmp_path: Path) -> None:
    """bridge.pcapng was recorded on hosts with the same addresses, at another time."""
    capnet("topology", "--from", ARCHIVE, "-o", tmp_path / "t.json")
    out, _ = capnet("analyze", "pcaps/bridge.pcapng", "--topology", tmp_path / "t.json")
    assert "Topology: hosts A, B were surveyed 4 days after the capture" in " ".join(out.split())


def test_topology_from_several_paths_is_one(tmp_path: Path) -> None:
    folder = unpacked(tmp_path)
    files = [folder / "A" / name for name in ("docker-inspect.json", "docker-network-inspect.json", "ip-address.json")]
    out, _ = capnet("topology", "--from", *files)
    (tmp_path / "out.json").write_text(out)
    assert len(Topology.load(tmp_path / "out.json").containers) == 8
    assert len(json.loads(texts()["A/docker-inspect.json"])) == 8


def test_topology_format_overrides_the_name(tmp_path: Path) -> None:
    capnet("topology", "--from", IPVLAN, "--format", "svg", "-o", tmp_path / "a.txt")
    assert ET.parse(tmp_path / "a.txt").getroot().tag.endswith("svg")


def test_ps_imports_neither_docker_nor_numpy_for_files() -> None:
    code = (
        "import sys; sys.argv = ['capnet', 'ps', '--from', sys.argv[1]]\n"
        "from capnet.cli import cli\n"
        "cli.main(standalone_mode=False)\n"
        "assert not {'docker', 'numpy', 'scapy'} & set(sys.modules), set(sys.modules) & {'docker', 'numpy', 'scapy'}"
    )
    subprocess.run([sys.executable, "-c", code, str(IPVLAN)], check=True, capture_output=True, cwd=ROOT)


def test_ps_of_a_service_that_is_stopped_says_so(tmp_path: Path) -> None:
    topology = Topology(hosts=[Host("A", "20.10", "6", [])])
    topology.stopped = [
        StoppedContainer("A", "shop-redis-1", "1f", "exited", 143, project="shop", compose_service="redis")
    ]
    topology.save(tmp_path / "shop.topology.json")
    _, err = capnet("ps", "--from", tmp_path / "shop.topology.json", "redis", code=2)
    assert err.endswith("capnet: redis has no running container here; not running: shop-redis-1 (exited with 143)\n")
