"""The page of a network model: how it is wired, what its packets show, who uses it, and what fails in it.

What `capnet explain MODEL` and docs/models.md show. The names are those of docker(1) and CNI's plugins.
"""

from __future__ import annotations

from capnet.analysis.core.wording import Text
from capnet.quick_tuple import NamedTuple


class ModelPage(NamedTuple):
    """What is known of a model in general; `failures` are names of findings, the usual ones first."""

    title: Text
    wiring: Text
    packets: tuple[Text, ...]
    used_by: Text
    failures: tuple[str, ...]


WIRING = Text(en="Wiring", zh="连接方式")
PACKETS = Text(en="In a capture", zh="抓包中看到的")
USED_BY = Text(en="Used by", zh="常见于")
FAILURES = Text(en="What fails in it", zh="常见故障")

MODEL_PAGES = {
    "none": ModelPage(
        Text(en="a container without a network", zh="没有网络的容器"),
        Text(
            en="The container has a network namespace of its own with nothing but loopback in it.",
            zh="容器有自己的网络命名空间，其中只有回环接口。",
        ),
        (
            Text(
                en="Packets at loopback alone, from 127.0.0.1 to 127.0.0.1.",
                zh="只有回环接口上的包，从 127.0.0.1 到 127.0.0.1。",
            ),
            Text(
                en="That nothing else is seen is no proof: a report needs the topology, or a capture of loopback.",
                zh="看不到其他包还不足以证明：报告需要拓扑，或者回环接口的抓包。",
            ),
        ),
        Text(
            en="`docker run --network none`: jobs that need no network, and containers whose network is made by hand.",
            zh="`docker run --network none`：不需要网络的任务，以及手工配置网络的容器。",
        ),
        ("not-sent",),
    ),
    "host": ModelPage(
        Text(en="a container in the network of its host", zh="使用主机网络的容器"),
        Text(
            en="The container has no network namespace of its own: interfaces, addresses and ports are the host's.",
            zh="容器没有自己的网络命名空间：接口、地址和端口都是主机的。",
        ),
        (
            Text(
                en="Addresses and MACs of the host, no NAT, no veth, no bridge.",
                zh="地址和 MAC 都是主机的，没有地址转换，没有 veth，没有网桥。",
            ),
            Text(
                en="Its packets look like those of any program of the host, so only a topology tells it.",
                zh="这种容器的包和主机上任何程序的包一样，所以只能靠拓扑辨认。",
            ),
        ),
        Text(
            en="`docker run --network host`, pods with `hostNetwork`: agents, load balancers, what needs many ports.",
            zh="`docker run --network host`、设置了 `hostNetwork` 的 Pod：监控代理、负载均衡器、需要很多端口的程序。",
        ),
        ("connection-refused",),
    ),
    "bridge": ModelPage(
        Text(en="containers at a bridge of their host, behind its NAT", zh="容器接在主机的网桥上，经主机做地址转换"),
        Text(
            en="A veth leads from each container's eth0 to a port of a Linux bridge: docker0, br-…, podman0, cni0. The "
            "bridge has the address that is the containers' gateway. Behind it the host routes, and translates.",
            zh="每个容器的 eth0 通过一对 veth 接到 Linux 网桥的端口：docker0、br-…、podman0、cni0。网桥的地址就是容器的"
            "网关。主机在网桥之后做路由和地址转换。",
        ),
        (
            Text(
                en="Between containers of one bridge: nothing changes. Each has a MAC of its own, and the TTL stays.",
                zh="同一网桥上的容器之间：什么都不变。每个容器有自己的 MAC，TTL 不变。",
            ),
            Text(
                en="Outward: the host puts its own address in place of the source (SNAT, MASQUERADE), and TTL − 1.",
                zh="向外：主机用自己的地址替换源地址（SNAT、MASQUERADE），TTL 减 1。",
            ),
            Text(
                en="Inward to a published port: the host puts the container in place of the destination (DNAT). The "
                "client's address stays, unless a proxy is between them.",
                zh="从外部访问映射的端口：主机用容器的地址替换目的地址（DNAT）。客户端的地址不变，除非中间有代理。",
            ),
        ),
        Text(
            en="Docker and Compose unless told otherwise, podman as root, CNI's plugin bridge, and so flannel and many "
            "small clusters of Kubernetes.",
            zh="Docker 和 Compose 的默认网络、以 root 运行的 podman、CNI 的 bridge 插件，因此还有 flannel 和许多小型 "
            "Kubernetes 集群。",
        ),
        ("published-port-blocked", "not-masqueraded", "isolated-on-bridge", "hairpin-off", "subnet-overlap",
         "name-of-other-network", "client-ip-lost", "exposed-port"),
    ),
    "container": ModelPage(
        Text(en="containers that share one network namespace", zh="共享一个网络命名空间的容器"),
        Text(
            en="The second container joins the network namespace of the first one: one eth0, one address, one set of "
            "ports for both.",
            zh="第二个容器加入第一个容器的网络命名空间：两者共用一个 eth0、一个地址、一组端口。",
        ),
        (
            Text(
                en="They reach each other at 127.0.0.1, so their packets are at that namespace's loopback alone.",
                zh="它们通过 127.0.0.1 互相访问，所以这些包只出现在该命名空间的回环接口上。",
            ),
            Text(
                en="For all others they are one station: one MAC, one address.",
                zh="对外它们是一个站点：一个 MAC，一个地址。",
            ),
        ),
        Text(
            en="`docker run --network container:NAME`, the containers of a pod, sidecars of a service mesh.",
            zh="`docker run --network container:NAME`、同一个 Pod 里的容器、服务网格的 sidecar。",
        ),
        ("connection-refused", "not-sent"),
    ),
    "overlay": ModelPage(
        Text(en="one network of containers across several hosts, in VXLAN", zh="跨多台主机的容器网络，用 VXLAN 承载"),
        Text(
            en="Each host has a namespace for the network with a bridge, br0, and a VXLAN device. The containers' "
            "veths are ports of br0. A second interface of each container, at docker_gwbridge, is its way out.",
            zh="每台主机为该网络建一个命名空间，其中有网桥 br0 和一个 VXLAN 设备。容器的 veth 是 br0 的端口。每个容器"
            "还有第二个接口，接在 docker_gwbridge 上，用于访问外部。",
        ),
        (
            Text(
                en="Between hosts: UDP port 4789 with a VNI, and inside it the containers' own frames, with their "
                "MACs, addresses and TTL.",
                zh="主机之间：UDP 端口 4789，带 VNI，里面是容器自己的帧，MAC、地址和 TTL 都不变。",
            ),
            Text(
                en="The tunnel takes 50 bytes, so the network's MTU is 1450 where that of the hosts is 1500.",
                zh="隧道占 50 字节，所以主机 MTU 为 1500 时网络的 MTU 是 1450。",
            ),
            Text(
                en="Hosts of a swarm talk at TCP port 2377 and at port 7946, TCP and UDP. An encrypted network has ESP "
                "in place of VXLAN.",
                zh="swarm 的主机之间使用 TCP 2377 端口以及 TCP 和 UDP 7946 端口。加密的网络看到的是 ESP 而不是 VXLAN。",
            ),
        ),
        Text(
            en="Docker Swarm: `docker network create -d overlay`. flannel, Calico and Cilium use VXLAN too, routed: "
            "the report calls their networks by how pods are wired, and lists the tunnel.",
            zh="Docker Swarm：`docker network create -d overlay`。flannel、Calico 和 Cilium 也用 VXLAN，但要经过路由："
            "报告按 Pod 的连接方式称呼它们的网络，并列出隧道。",
        ),
        ("swarm-port-blocked", "tunnel-not-decapsulated", "overlay-mtu-exceeded", "mtu-blackhole",
         "outer-checksum-wrong", "vtep-address-mismatch", "vni-mismatch"),
    ),
    "macvlan": ModelPage(
        Text(en="containers with MACs of their own at the host's NIC", zh="容器在主机网卡上有自己的 MAC"),
        Text(
            en="Each container has a child of a parent interface, usually a NIC, with a MAC of its own. There is no "
            "bridge and no veth: the driver hands frames over by their destination MAC.",
            zh="每个容器有父接口（通常是网卡）的一个子接口，带有自己的 MAC。没有网桥，没有 veth：驱动按目的 MAC 转交"
            "帧。",
        ),
        (
            Text(
                en="The LAN sees each container as a machine: its own MAC and address, ARP of its own, no NAT.",
                zh="局域网把每个容器看作一台机器：自己的 MAC 和地址，自己应答 ARP，没有地址转换。",
            ),
            Text(
                en="In mode bridge, the default, frames between containers of one host do not leave by the NIC.",
                zh="在默认的 bridge 模式下，同一主机上容器之间的帧不从网卡出去。",
            ),
            Text(
                en="The host and its own containers do not reach each other: what the host sends at the parent goes to "
                "the wire, and not to the children.",
                zh="主机与自己的容器无法互相访问：主机从父接口发出的帧只走网线，不会转交给子接口。",
            ),
        ),
        Text(
            en="`docker network create -d macvlan -o parent=NIC`: containers that must have an address of the LAN.",
            zh="`docker network create -d macvlan -o parent=网卡`：必须有局域网地址的容器。",
        ),
        ("macvlan-host-isolation", "foreign-mac-refused", "arp-unanswered", "dhcp-unanswered", "duplicate-ip"),
    ),
    "ipvlan-l2": ModelPage(
        Text(en="containers with addresses of the LAN and the MAC of the NIC", zh="容器有局域网地址，共用网卡的 MAC"),
        Text(
            en="Each container has a child of a parent interface, with the parent's MAC. The driver hands packets over "
            "by their destination address.",
            zh="每个容器有父接口的一个子接口，MAC 与父接口相同。驱动按目的地址转交包。",
        ),
        (
            Text(
                en="One MAC speaks for several addresses, and answers ARP for each of them. No NAT, the TTL stays.",
                zh="一个 MAC 代表多个地址，并为每个地址应答 ARP。没有地址转换，TTL 不变。",
            ),
            Text(
                en="The host and its own containers do not reach each other, as with macvlan.",
                zh="主机与自己的容器无法互相访问，与 macvlan 一样。",
            ),
        ),
        Text(
            en="`docker network create -d ipvlan`: where a switch, a hypervisor or Wi-Fi takes one MAC a port.",
            zh="`docker network create -d ipvlan`：交换机、虚拟化平台或 Wi-Fi 的每个端口只允许一个 MAC 的地方。",
        ),
        ("macvlan-host-isolation", "arp-unanswered", "duplicate-ip"),
    ),
    "ipvlan-l3": ModelPage(
        Text(en="subnets of containers behind the NIC, without ARP", zh="网卡后面的容器子网，不用 ARP"),
        Text(
            en="Each container has a child of a parent interface, with the flag NOARP and perhaps in a subnet of its "
            "own. The driver routes between them and to the NIC.",
            zh="每个容器有父接口的一个子接口，带有 NOARP 标志，可以在自己的子网里。驱动在它们之间、它们与网卡之间"
            "路由。",
        ),
        (
            Text(
                en="No ARP and no broadcast at the containers. One MAC speaks for all of them.",
                zh="容器上没有 ARP，也没有广播。一个 MAC 代表所有容器。",
            ),
            Text(
                en="The driver leaves the TTL as it is, also from subnet to subnet. No NAT.",
                zh="驱动不改 TTL，从子网到子网也不改。没有地址转换。",
            ),
            Text(
                en="Others need a route to the subnet: `ip route add SUBNET via HOST`.",
                zh="其他机器需要到该子网的路由：`ip route add 子网 via 主机`。",
            ),
        ),
        Text(
            en="`docker network create -d ipvlan -o ipvlan_mode=l3`: many subnets without a switch in between.",
            zh="`docker network create -d ipvlan -o ipvlan_mode=l3`：需要很多子网而中间没有交换机的地方。",
        ),
        ("no-return-route", "host-unreachable", "arp-unanswered"),
    ),
    "ptp": ModelPage(
        Text(en="containers on links of their own, between which the host routes", zh="每个容器一条链路，由主机路由"),
        Text(
            en="A veth leads from each container to its host (point-to-point), and is no port of a bridge. The host "
            "has a route to each container's address, and answers ARP for their gateway.",
            zh="每个容器通过一对 veth 直接连到主机（点对点），veth 不是网桥的端口。主机到每个容器的地址都有路由，并为"
            "网关应答 ARP。",
        ),
        (
            Text(
                en="Also between containers of one host the TTL falls by 1, and the MACs change.",
                zh="同一主机上的容器之间 TTL 也减 1，MAC 会变。",
            ),
            Text(
                en="Each container sees one other MAC, that of its gateway. With Calico that is ee:ee:ee:ee:ee:ee.",
                zh="每个容器只看到另外一个 MAC，即网关的 MAC。在 Calico 中是 ee:ee:ee:ee:ee:ee。",
            ),
            Text(
                en="Between hosts, packets are routed as they are, or go in VXLAN or IP in IP.",
                zh="主机之间，包直接路由，或者放进 VXLAN 或 IP in IP。",
            ),
        ),
        Text(
            en="Calico, Cilium, the plugins of Amazon and Azure, and CNI's plugin ptp, which gave the name.",
            zh="Calico、Cilium、Amazon 和 Azure 的插件，以及 CNI 的 ptp 插件，名称由此而来。",
        ),
        ("stops-between", "arp-unanswered", "reverse-path-filter", "host-unreachable", "not-masqueraded"),
    ),
}  # fmt: skip
