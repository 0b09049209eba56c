"""What Docker says of its networks, in the topology beside the capture, as far as the packets show these networks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.wording import Text, several
from capnet.analysis.facts.models.signs import container, host, none
from capnet.analysis.facts.models.signs.sign import MAX_SIGN_FRAMES, Sign, station_frames
from capnet.analysis.facts.tunnels import tunnel_facts
from capnet.analysis.fate.speakers import speakers
from capnet.wire.addresses import mac_value

if TYPE_CHECKING:
    from capnet.topology import Container, Endpoint, Network


def network_with_traffic(context: Context) -> Iterator[Sign]:
    """Docker has a network of this driver, and a container's address on it sends, with the MAC that Docker gave it.

    Wrong when: the topology is of another recording of the same network.
    """
    topology = context.topology
    if topology is None:
        return
    networks = {network.name: network for network in topology.networks}
    seen: dict[str, list[tuple[Container, Endpoint]]] = {}
    for owner in topology.containers:
        for endpoint in owner.endpoints:
            network = networks.get(endpoint.network)
            if network and _is_seen(context, endpoint):
                seen.setdefault(_model_of(network), []).append((owner, endpoint))
    for model, endpoints in seen.items():
        names = sorted({endpoint.network for _, endpoint in endpoints})
        owners = sorted({owner.name for owner, _ in endpoints})
        macs = [mac_value(endpoint.mac) for _, endpoint in endpoints if endpoint.mac][:2]
        says = Text(
            en="Docker has {owners} on the {model} network {names}, and their packets were captured",
            zh="Docker 中 {owners} 在 {model} 网络 {names} 上，并且抓到了它们的包",
        ).fill(owners=several(owners), model=model, names=several(names))
        yield Sign(says, station_frames(context, macs), model)


def encrypted_network(context: Context) -> Iterator[Sign]:
    """Docker has an encrypted overlay network, and the hosts exchange ESP.

    Wrong when: the ESP is of another VPN between the same hosts.
    """
    networks = context.topology.networks if context.topology else []
    names = sorted(
        network.name for network in networks if network.driver == "overlay" and "encrypted" in network.options
    )
    esp = next((tunnel for tunnel in tunnel_facts(context) if tunnel.kind == "esp"), None)
    if names and esp:
        says = Text(
            en="Docker encrypts the overlay network {names}, and {vteps} exchange ESP",
            zh="Docker 加密 overlay 网络 {names}，{vteps} 交换 ESP",
        ).fill(names=several(names), vteps=several(esp.vteps))
        yield Sign(says, esp.evidence[:MAX_SIGN_FRAMES])


def host_network(context: Context) -> Iterator[Sign]:
    """A runtime runs a container in the host's network namespace, and the host's own interface was captured."""
    on_host = host.containers_on_the_host(context)
    interface = host.own_interface(context)
    if on_host and interface:
        yield Sign(
            Text(en="{runtimes} runs {names} on the host's network", zh="{runtimes} 让 {names} 使用主机网络").fill(
                runtimes=_runtimes(on_host), names=several(sorted(each.name for each in on_host))
            ),
            host.interface_frames(context, interface),
        )


def no_network(context: Context) -> Iterator[Sign]:
    """A runtime gave a container no network, and nothing but loopback was heard."""
    containers = context.topology.containers if context.topology else []
    without_network = (container for container in containers if container.network_mode == "none")
    unconnected = [each for each in without_network if not each.endpoints]  # pods have one from a plugin of CNI
    if unconnected and none.is_loopback_only(context):
        yield Sign(
            Text(en="{runtimes} gave {names} no network", zh="{runtimes} 没有给 {names} 网络").fill(
                runtimes=_runtimes(unconnected), names=several(sorted(each.name for each in unconnected))
            ),
            none.loopback_frames(context),
        )


def shared_namespace(context: Context) -> Iterator[Sign]:
    """A runtime runs a container in another one's network namespace, whose loopback was captured."""
    sharing = container.sharing_containers(context)
    conversation = container.best_conversation(context)
    if sharing and conversation:
        for guest in sharing:
            says = Text(
                en="{runtimes} runs {guest} in the network namespace of {owner}",
                zh="{runtimes} 让 {guest} 运行在 {owner} 的网络命名空间中",
            ).fill(runtimes=_runtimes([guest]), guest=guest.name, owner=guest.shares_network_with)
            yield Sign(says, container.conversation_frames(context))


def _runtimes(containers: list[Container]) -> str:
    """Docker, or which other runtime a topology names."""
    return several(sorted({container.runtime or "Docker" for container in containers}))


def _model_of(network: Network) -> str:
    """`bridge`, `overlay`, `macvlan`, `ipvlan-l2` …; drivers of plugins have names of their own."""
    if network.driver != "ipvlan":
        return network.driver
    return "ipvlan-l3" if network.options.get("ipvlan_mode", "l2") == "l3" else "ipvlan-l2"


def _is_seen(context: Context, endpoint: Endpoint) -> bool:
    """Does one of its addresses send with its MAC? Where no MAC has the address, the address alone will do."""
    owners = _owners(context)
    mac = mac_value(endpoint.mac) if endpoint.mac else None
    return any(ip in owners and (mac is None or mac in owners[ip]) for ip in endpoint.ips)


@derived
def _owners(context: Context) -> dict[str, set[int]]:
    """Address → MACs that speak for it as its owner."""
    owners: dict[str, set[int]] = {}
    for speaker in speakers(context).values():
        for ip in speaker.own:
            owners.setdefault(ip, set()).add(speaker.mac)
    return owners
