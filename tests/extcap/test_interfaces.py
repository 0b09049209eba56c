"""The interfaces of a host, from what its daemon answered; `recorded` says how that was recorded."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from capnet.extcap.docker_hosts import HostUrl
from capnet.extcap.interfaces import interfaces_of, offered, target_of

RECORDED = Path(__file__).parent / "recorded"
DEFAULT = HostUrl("", "unix:///var/run/docker.sock")
LAB = HostUrl("A", "unix:///run/capnet-lab/A/docker.sock")


def recorded(name):
    return json.loads((RECORDED / f"{name}.json").read_text(encoding="utf-8"))


def interfaces(host=DEFAULT):
    return {each.value: each.display for each in interfaces_of(host, recorded("containers"), recorded("networks"))}


def test_containers_and_networks_are_interfaces():
    assert interfaces() == {
        "capnet-host:docker": "all containers of Docker",
        "capnet:alone": "container alone (none)",
        "capnet:bbox": "container bbox (bridge 172.17.0.3)",
        "capnet:db": "container db (my net ?x? 172.19.0.2, shop 172.18.0.2, étage/2 172.20.0.2)",
        "capnet:hosted": "container hosted (host)",
        "capnet:linked": "container linked (bridge 172.17.0.4)",
        "capnet:side": "container side",
        "capnet:web": "container web (bridge 172.17.0.2)",
        "capnet-network:bridge": "network bridge (bridge)",
        "capnet-network:my%20net%20%7Bx%7D": "network my net ?x? (bridge)",
        "capnet-network:shop": "network shop (bridge)",
        "capnet-network:%C3%A9tage%2F2": "network étage/2 (bridge)",
    }


def test_names_of_a_lab_host_begin_with_it():
    assert {"capnet-host:A", "capnet:A/web", "capnet-network:A/shop"} <= set(interfaces(LAB))
    assert interfaces(LAB)["capnet:A/web"] == "container web of A (bridge 172.17.0.2)"


@pytest.mark.parametrize("host", [DEFAULT, LAB])
def test_every_interface_means_what_it_was_made_of(host):
    targets = [target_of(value) for value in interfaces(host)]
    assert all(target is not None and target.host == host.name for target in targets)
    networks = {name for entry in recorded("containers") for name in entry["NetworkSettings"]["Networks"]}
    assert {name for target in targets for name in target.networks} == networks - {"host", "none"}
    containers = {"alone", "bbox", "db", "hosted", "linked", "side", "web"}
    assert {name for target in targets for name in target.containers} == containers
    assert sum(not target.containers and not target.networks for target in targets) == 1


def test_linked_container_has_its_own_name():
    """`docker run --link web:alias` gives web a second name, which the daemon may list first."""
    names = [entry["Names"] for entry in recorded("containers")]
    assert ["/linked/alias", "/web"] in names
    assert "capnet:web" in interfaces() and "capnet:alias" not in interfaces()


@pytest.mark.parametrize(
    "value",
    ["", "eth0", "capnet", "capnet:", "capnet:a b", "capnet:../x y", "capnet:-x", "capnet-network:",
     "capnet-network:%zz", "capnet-host:", "capnet-host:a/b", "capnet:a}{x", "capnet:web\n"],
)  # fmt: skip
def test_other_names_mean_nothing(value):
    assert target_of(value) is None


HOSTILE = [
    None, 7, "text", [], {},
    {"Names": None}, {"Names": "web"}, {"Names": [3]}, {"Names": ["/a}{value=x"]}, {"Names": ["/-f"]},
    {"Names": ["/\x1b[31m"]}, {"Names": ["/web\ninterface {value=eth0}"]},
    {"Names": ["/web"], "NetworkSettings": 5},
    {"Names": ["/web"], "NetworkSettings": {"Networks": [1]}},
    {"Names": ["/web"], "NetworkSettings": {"Networks": {"a}\n{b=\u202e\x1b[2J": {"IPAddress": "}{x=1"}, "": None}}},
]  # fmt: skip


@pytest.mark.parametrize("entry", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_answer_forges_no_interface(entry):
    """Each interface is one line with two values, whatever the daemon answers."""
    for each in interfaces_of(DEFAULT, [entry, *recorded("containers")], [entry, *recorded("networks")]):
        sentence = f"interface {{value={each.value}}}{{display={each.display}}}"
        assert sentence.isprintable()
        assert [key for key, _ in re.findall(r"\{([a-zA-Z_-]*?)=(.*?)\}", sentence)] == ["value", "display"]
        assert sentence.count("{") == sentence.count("}") == 2
        assert target_of(each.value) is not None


def test_host_behind_ssh_is_one_interface_without_password():
    hosts = [HostUrl("", "ssh://user:secret@b:22")]
    assert [tuple(each) for each in offered(hosts)] == [
        ("capnet-host:docker", "all containers of Docker at ssh://user@b:22")
    ]


def test_host_that_gives_its_api_only_has_no_interface():
    """There is no way to capture at a host that is reached by tcp://."""
    assert (
        offered([HostUrl("", "tcp://127.0.0.1:2375"), HostUrl("", ""), HostUrl("", "unix:///nowhere/docker.sock")])
        == []
    )
