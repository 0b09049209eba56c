"""What a scenario's capture shows, in the words of a scenario: containers and hosts by name, points by role.

Input: the JSON report of a bundle, and its topology. Output: sets and lists that a check compares with what it expects.
"""

from __future__ import annotations

from typing import Any

from capnet.topology import Container, Host, Topology

Comparison = tuple[object, object]  # (actual, expected)
EMBEDDED_DNS = "127.0.0.11"  # Docker's resolver inside containers of user-defined networks
Rewriting = tuple[str, str, str]  # (protocol, before, after), the forms as `src:sport > dst:dport`


class NotObserved(Exception):
    """A check is about a point that was not captured at."""


class Observed:
    """What the report says, in the words of a scenario: containers and hosts by name, points by role.

    `a` is the name of the host that the scenario is about, `b` of the other. Addresses are IPv4 unless said otherwise.
    """

    def __init__(self, report: dict[str, Any], topology: Topology, *, whole: bool = True) -> None:
        self.report = report
        self.topology = topology
        self.whole = whole
        self.a = topology.hosts[0].name if topology.hosts else ""
        self._points = {point["name"]: point for point in report["points"]}

    @property
    def b(self) -> str:
        """The second host. NotObserved if the scenario was played without one."""
        if len(self.topology.hosts) < 2:
            raise NotObserved("a second host")
        return self.topology.hosts[1].name

    def needs_peer(self) -> None:
        """For a check about what is sent to a second host: NotObserved if there was none."""
        _ = self.b

    # -- who -----------------------------------------------------------------------------------------
    def ip(self, name: str, network: str | None = None, *, version: int = 4) -> str:
        """The address of a container (on a network, else on its first), or of a host's parent NIC."""
        return _addresses(self._endpoint(name, network).addresses, version)[0]

    def vips(self, balancer: str, network: str) -> list[str]:
        """The virtual addresses of services that a load balancer has on a network: Docker gives them the prefix /32."""
        addresses = self._endpoint(balancer, network).addresses
        return [ip for ip, _, length in (each.partition("/") for each in addresses) if length == "32"]

    def mac(self, name: str, network: str | None = None) -> str:
        """The MAC of a container (on a network, else on its first), or of a host's parent NIC."""
        mac: str | None = self._endpoint(name, network).mac
        if not mac:
            raise LookupError(f"MAC of {name}")
        return mac

    def gateway(self, network: str) -> str:
        """The address of a bridge network's gateway, by `ip`: `docker network inspect` may not name docker0's."""
        host, _, name = self.bridge(network).partition("/")
        interfaces = next(each.interfaces for each in self.topology.hosts if each.name == host)
        return _addresses(next(each.addresses for each in interfaces if each.name == name), 4)[0]

    # -- where ---------------------------------------------------------------------------------------
    def parent(self, host: str) -> str:
        """The point at the host's parent NIC."""
        return self._point(host=host, role="parent")

    def veth(self, container: str) -> str:
        """The point at the host end of a container's veth."""
        return self._point(container=container, role="veth")

    def bridge(self, network: str) -> str:
        """The point at the Linux bridge of a bridge network."""
        for each in self.topology.networks:
            if each.name == network and each.bridge:
                return f"{each.host}/{each.bridge}"
        raise LookupError(f"bridge of {network}")

    def point(self, name: str) -> dict[str, Any]:
        """A point by its name. NotObserved if it was not captured at."""
        if name not in self._points:
            raise NotObserved(name)
        return self._points[name]

    # -- what ----------------------------------------------------------------------------------------
    def model(self) -> str:
        """The model that the report names first, or `nothing`."""
        self._needs_all()
        return str(self.report["models"][0]["model"]) if self.report["models"] else "nothing"

    def models(self, least: float) -> list[str]:
        """The models of at least this confidence, the likeliest first."""
        self._needs_all()
        return [each["model"] for each in self.report["models"] if each["confidence"] >= least]

    def packets(self, point: str) -> int:
        """How many packets were captured at a point."""
        return int(self.point(point)["packets"])

    def flows(self, point: str, *, about: str | None = None, proto: str | None = None) -> list[dict[str, Any]]:
        """The flows heard at a point, in tunnels too; those from or to the address `about`, of a protocol."""
        self.point(point)
        flows = self.report["flows"]
        if flows["count"] > len(flows["top"]):
            raise NotObserved(f"{flows['count'] - len(flows['top'])} flows that are not listed")
        return [
            each
            for each in flows["top"]
            if each["point"] == point
            and (about is None or about in (each["src"], each["dst"]))
            and (proto is None or each["proto"] == proto)
        ]

    def flow_ends(self, point: str, *, about: str | None = None) -> set[tuple[str, str, str]]:
        """(protocol, source, destination) of the flows at a point."""
        return {(each["proto"], each["src"], each["dst"]) for each in self.flows(point, about=about)}

    def address_pairs(self, point: str, *addresses: str) -> set[tuple[str, str]]:
        """(source, destination) of the flows at a point that are between these addresses only."""
        return {(src, dst) for _, src, dst in self.flow_ends(point) if src in addresses and dst in addresses}

    def ttls(self, point: str, src: str, dst: str) -> set[int]:
        """The TTLs with which followed packets from one address to another pass a point."""
        self._needs_all()
        hops = [hop for path in self.report["paths"] for hop in path["hops"]]
        return {hop["ttl"] for hop in hops if (hop["point"], hop["src"], hop["dst"]) == (point, src, dst)}

    def other_points(self, point: str) -> set[str]:
        """The other points at which a packet that passed this one was recognised."""
        self.point(point)
        ways = [[hop["point"] for hop in path["hops"]] for path in self.report["paths"]]
        return {other for way in ways if point in way for other in way} - {point}

    def path(self, proto: str, src: str, dst: str, *, dport: int | None = None) -> list[str]:
        """The points that a flow passed, in order, with its ends as first sent; empty if it is not followed."""
        self._needs_all()
        for path in self.report["paths"]:
            flow = path["flow"]
            if (path["proto"], flow["src"], flow["dst"]) == (proto, src, dst) and dport in (None, flow["dport"]):
                return [hop["point"] for hop in path["hops"]]
        return []

    def paths(self, proto: str, src: str, dst: str) -> set[tuple[str, ...]]:
        """The different paths of the flows between two addresses, whose ends are as first sent."""
        self._needs_all()
        return {
            tuple(hop["point"] for hop in path["hops"])
            for path in self.report["paths"]
            if (path["proto"], path["flow"]["src"], path["flow"]["dst"]) == (proto, src, dst)
        }

    def nat_rows(self) -> list[dict[str, Any]]:
        """The report's translations. They show where both sides were captured at."""
        self._needs_all()
        rows: list[dict[str, Any]] = self.report["nat"]
        return rows

    def translations(self, *, port: bool | None = None) -> set[Rewriting]:
        """What the report says a host translated; with `port` only where the port or id was (not) rewritten.

        Embedded DNS is not among it: containers translate that in their own namespace, whose table is not recorded.
        """
        return {
            (row["proto"], _form(row["before"]), _form(row["after"]))
            for row in self.report["nat"]
            if row["method"] != "conntrack"
            and row["before"]["dst"] != EMBEDDED_DNS
            and port in (None, row["port_rewritten"])
        }

    def conntrack_translations(self, *, source: str = "") -> set[Rewriting]:
        """What the kernels' connection tables say was translated, if it came from `source`. NotObserved without one."""
        from capnet.analysis.facts.nat.conntrack import parse
        from capnet.analysis.facts.nat.tuples import FlowTuple

        self._needs_all()  # to compare with: a translation shows on both sides of it
        if not any(host.conntrack for host in self.topology.hosts):
            raise NotObserved("a connection table")

        def form(each: FlowTuple) -> str:
            return _form({"src": each.src, "sport": each.sport, "dst": each.dst, "dport": each.dport, "id": each.id})

        entries = [entry for host in self.topology.hosts for line in host.conntrack if (entry := parse(line))]
        return {
            (entry.proto, form(entry.before), form(entry.after))
            for entry in entries
            if entry.before != entry.after and source in ("", entry.before.src)
        }

    def masqueraded_as(self, name: str, network: str | None = None) -> dict[str, str]:
        """Protocol → the source address that others see instead of the container's (masquerade).

        Where another host has the same address for a container of its own, the connections that begin on the
        container's host count.
        """
        self._needs_all()
        own, host = self.ip(name, network), self._container(name).host
        return {
            row["proto"]: row["after"]["src"]
            for row in self.report["nat"]
            if row["before"]["src"] == own and row["before"]["point"].startswith(f"{host}/")
        }

    def mac_verdicts(self, kind: str, point: str) -> set[tuple[tuple[str, ...], tuple[str, ...]]]:
        """(MACs, IPv4 addresses) that the report, judging from all points, calls shared, distinct or router at one."""
        self._needs_all()
        self.point(point)
        return {
            (tuple(each["macs"]), tuple(ip for ip in each["ips"] if "." in ip))
            for each in self.report["macs"]
            if (each["verdict"], each["point"]) == (kind, point)
        }

    def addresses_of(self, mac: str, point: str) -> set[str]:
        """The IPv4 addresses for which a MAC sends, if it was heard at the point."""
        self.point(point)
        return {
            ip
            for each in self.report["stations"]
            if each["mac"] == mac and point in each["points"]
            for ip in each["ips"]
            if "." in ip
        }

    def proxied_connections(self) -> set[tuple[str, str, int, str, str, int]]:
        """(source, destination, port) of the client's connection, then of the one that a proxy opened for it."""

        def end(side: dict[str, Any]) -> tuple[str, str, int]:
            return side["src"], side["dst"], side["dport"]

        return {(*end(each["client_side"]), *end(each["server_side"])) for each in self.report["proxies"]}

    def tunnels(self) -> list[dict[str, Any]]:
        """The tunnels of the report."""
        rows: list[dict[str, Any]] = self.report["tunnels"]
        return rows

    def vnis(self) -> set[int]:
        """The VNIs of the overlay networks, as Docker has them."""
        return {each.vni for each in self.topology.networks if each.vni is not None}

    def findings(self, name: str) -> list[dict[str, Any]]:
        """The report's findings of this name."""
        return [each for each in self.report["findings"] if each["name"] == name]

    # -- inside --------------------------------------------------------------------------------------
    def _needs_all(self) -> None:
        if not self.whole:
            raise NotObserved("some of the scenario's points")

    def _endpoint(self, name: str, network: str | None) -> Any:
        for host in self.topology.hosts:
            if host.name == name:
                return self._nic(host)
        container = self._container(name)
        for endpoint in container.endpoints:
            if network in (None, endpoint.network):
                return endpoint
        raise LookupError(f"{name} on network {network}")

    def _container(self, name: str) -> Container:
        for container in self.topology.containers:
            if container.name == name:
                if container.shares_network_with:
                    return self._container(container.shares_network_with)
                return container
        raise LookupError(f"container {name}")

    def _nic(self, host: Host) -> Any:
        point = self.topology.point(self.parent(host.name))
        assert point is not None
        return next(each for each in host.interfaces if each.name == point.interface)

    def _point(self, **wanted: str) -> str:
        for point in self.topology.points:
            if all(getattr(point, key) == value for key, value in wanted.items()):
                return point.name
        raise NotObserved(str(wanted))


def _addresses(addresses: list[str], version: int) -> list[str]:
    chosen = [address.split("/")[0] for address in addresses if (":" in address) == (version == 6)]
    if not chosen:
        raise LookupError(f"IPv{version} address")
    return chosen


def _form(side: dict[str, Any]) -> str:
    """One form of a connection as text: `src:sport > dst:dport`, or `src > dst id` for ICMP."""
    if side["sport"] is None:
        return f"{side['src']} > {side['dst']} id {side.get('id')}"
    return f"{side['src']}:{side['sport']} > {side['dst']}:{side['dport']}"
