"""Names in flow expressions. Truth: the topologies of the golden captures."""

from __future__ import annotations

from dataclasses import replace

import pytest

from capnet.analysis.filters.names import addresses_of
from capnet.analysis.filters.parser import at_host, parse
from capnet.errors import UsageError
from capnet.topology import Container, Topology
from tests.analysis.filters.frames import BRIDGE, chosen, studied
from tests.conftest import PROJECT


def test_container_name_is_a_host() -> None:
    assert chosen("host web", BRIDGE) == chosen("host 172.17.0.2", BRIDGE)
    assert chosen("web", BRIDGE) == chosen("host A/web", BRIDGE) == chosen('host "web"', BRIDGE)
    assert chosen("src web or bbox", BRIDGE) == chosen("src 172.17.0.2 or src 172.17.0.3", BRIDGE)


def test_address_of_two_hosts_means_that_of_the_named_one() -> None:
    """172.17.0.1 is docker0's on both hosts; as A/docker0 it means A's."""
    assert ("A", "172.17.0.1") in addresses_of(studied(BRIDGE).context, "A/docker0")


def test_option_may_be_any_name() -> None:
    with pytest.raises(UsageError):
        at_host('a" or "b').flows(studied(BRIDGE).context)
    assert at_host("web").flows(studied(BRIDGE).context).any()


@pytest.mark.parametrize("size", [2, 1000])
def test_containers_sharing_networks_in_a_circle_are_an_error(size: int) -> None:
    """A topology file may say anything: here each is in the network of the next one, the last in that of the first."""
    boxes = [
        Container("A", f"c{n}", "", "", "container", shares_network_with=f"c{(n + 1) % size}") for n in range(size)
    ]
    context = replace(studied(BRIDGE).context, topology=Topology(containers=boxes), names={})
    with pytest.raises(UsageError, match="has no address"):
        parse("host c0").flows(context)


def test_compose_service_is_a_host() -> None:
    """`db` is how web calls it; shop-db-1 is its container. Two projects with a db are none."""
    topology = Topology.load(PROJECT / "tests/analysis/facts/kernel/recorded/caller-alone.topology.json")
    context = replace(studied(BRIDGE).context, topology=topology, names={})
    assert addresses_of(context, "db") == addresses_of(context, "shop/db") == addresses_of(context, "shop-db-1")
    assert addresses_of(context, "shop/dbs") is None
    (web,) = [container for container in topology.containers if container.compose_service == "web"]
    web.compose_service, web.project = "db", "other"
    assert addresses_of(context, "db") is None
    assert addresses_of(context, "other/db") == addresses_of(context, "shop-web-1")
