"""What the checks of the scenarios claim: the docstring of each, and the same in Chinese."""

from __future__ import annotations

CLAIM_MESSAGES = {
    # every scenario
    "nothing is said to be rewritten that no connection table has": "报告中的每一处改写都在某个连接跟踪表中",
    "every answered connection that a host translated, and that passed two of its points in both forms, is told":
        "主机转换过、有应答、并以两种形式经过它的两个抓包点的每个连接，报告都有",
    # bridge
    "the model is bridge": "网络模型是 bridge",
    "the model is ptp": "网络模型是 ptp",
    "bbox reaches web across both veths and docker0, unchanged": "bbox 经两个 veth 和 docker0 到达 web，没有改写",
    "host A's connection table has the same translations, before and after":
        "主机 A 的连接跟踪表中有同样的转换，转换前后都一致",
    "to host B, bbox is host A, by ping, TCP and UDP": "对主机 B 来说，bbox 就是主机 A：ping、TCP 和 UDP 都如此",
    "host B reaches web through port 8080, and is host B still when it arrives":
        "主机 B 通过 8080 端口到达 web，到达时源地址仍是主机 B",
    "host B never meets an address of a container": "主机 B 从未见到容器的地址",
    # bridge-clash
    "on docker0 left and right use the same port and the same id":
        "在 docker0 上，left 和 right 用同一个端口和同一个 id",
    "of each pair one keeps its port or id and the other gets a new one":
        "每一对中，一个保留端口或 id，另一个换成新的",
    "at host B no two of them are alike, and all come from host A": "在主机 B 上它们各不相同，并且都来自主机 A",
    # bridge-hairpin
    "docker-proxy answers bbox, and clients over lo, and opens a second connection to web from 172.17.0.1":
        "docker-proxy 应答 bbox 和来自 lo 的客户端，并从 172.17.0.1 向 web 建立第二个连接",
    "no packet is the same before and behind docker-proxy: nothing is translated":
        "docker-proxy 前后没有相同的包：没有地址转换",
    "web never meets bbox as a client: its clients are 172.17.0.1 and host A":
        "web 从未见到 bbox 作为客户端：它的客户端是 172.17.0.1 和主机 A",
    "to its own address host A gets through without the proxy: on docker0 under its own address, not on lo":
        "主机 A 访问自己的地址时不经过代理：在 docker0 上用自己的地址，不在 lo 上",
    "nothing of it leaves host A": "没有包离开主机 A",
    # bridge-hairpin-noproxy
    "no connection is proxied: Docker runs without its userland proxy":
        "没有连接经过代理：Docker 没有启用 userland proxy",
    "bbox's connection is translated to web:80 as host A's connection table has it, and keeps bbox's address":
        "bbox 的连接转换到 web:80，与主机 A 的连接跟踪表一致，并保留 bbox 的地址",
    "web's connection to itself leaves eth0 towards host A and comes in again from 172.17.0.1":
        "web 访问自己的连接从 eth0 发往主机 A，又从 172.17.0.1 回来",
    "in between, on docker0, it is from web to web: DNAT is done, masquerade is not":
        "其间在 docker0 上，它从 web 到 web：已做目的地址转换，尚未做源地址转换",
    "host A's connections to 127.0.0.1:8080 and to its own address are not on lo: translated before they are sent":
        "主机 A 到 127.0.0.1:8080 和到自己地址的连接不在 lo 上：发送之前已经转换",
    # bridge-internal
    "bbox asks Docker's DNS server for web: on its own lo, at a port to which it is redirected, and nowhere else":
        "bbox 向 Docker 的 DNS 服务器查询 web：在自己的 lo 上，重定向到一个端口，别处都没有",
    "ping and HTTP from bbox to web cross both veths and the network's bridge, unchanged":
        "bbox 到 web 的 ping 和 HTTP 经过两个 veth 和该网络的网桥，没有改写",
    "nothing is rewritten but the DNS queries inside bbox, and no port is published":
        "除了 bbox 内部的 DNS 查询，没有任何改写，也没有端口映射",
    "nothing of bbox or web gets out, as itself or as host A: at both NICs the only pings are host B's own":
        "bbox 和 web 的包都出不去，无论以自己还是以主机 A 的地址：两块网卡上只有主机 B 自己的 ping",
    "host B's pings to web arrive at host A's NIC, and go no further: neither to the bridge nor to web":
        "主机 B 到 web 的 ping 到达主机 A 的网卡，不再前进：没有到网桥，也没有到 web",
    "host A refuses its port 8080, and nothing of it gets to web": "主机 A 拒绝自己的 8080 端口，没有包到达 web",
    # bridge-user-defined
    "the query for web goes to 127.0.0.11 on bbox's lo, and nowhere else":
        "对 web 的查询发往 bbox 的 lo 上的 127.0.0.11，别处都没有",
    "on lo the query is redirected already: not to port 53, from which the answer comes":
        "在 lo 上查询已被重定向：不是发往 53 端口，而应答来自 53 端口",
    "ping and HTTP from bbox to web cross the bridge unchanged, IPv4 and IPv6 alike":
        "bbox 到 web 的 ping 和 HTTP 经过网桥，没有改写，IPv4 和 IPv6 都如此",
    "bbox is host A to host B; host A's connection table has the same translations":
        "对主机 B 来说，bbox 就是主机 A；主机 A 的连接跟踪表中有同样的转换",
    "docker0 has nothing to do with it": "与 docker0 无关",
    # cni-bridge
    "app reaches web across both veths and cni0, unchanged": "app 经两个 veth 和 cni0 到达 web，没有改写",
    "no network of Docker has the pods: their addresses are the first that the plugin gave away":
        "这些 pod 不在 Docker 的任何网络上：它们的地址是插件最先分配的",
    "to host B, app is host A, by ping and TCP": "对主机 B 来说，app 就是主机 A：ping 和 TCP 都如此",
    "host B reaches web through the host port 8080, and is host B still when it arrives":
        "主机 B 通过 hostPort 8080 到达 web，到达时源地址仍是主机 B",
    # cni-ptp
    "app reaches web by ping and HTTP over both veths; the host between them lowers the TTL from 64 to 63":
        "app 以 ping 和 HTTP 经两个 veth 到达 web，中间的主机把 TTL 从 64 减到 63",
    "the gateway has one address, and at each veth the MAC of that veth, as the host has it":
        "网关只有一个地址，在每个 veth 上是该 veth 的 MAC，与主机上的一样",
    "neither veth is a port of a bridge; no network of Docker has the pods":
        "两个 veth 都不是网桥的端口；这些 pod 不在 Docker 的任何网络上",
    "host B reaches web through the host port 8080 over web's veth, and is host B still when it arrives":
        "主机 B 通过 hostPort 8080 经 web 的 veth 到达 web，到达时源地址仍是主机 B",
    # container
    "the model is container": "网络模型是 container",
    "bbox and web talk to each other on lo, over 127.0.0.1 and over their own address; eth0 sees nothing of it":
        "bbox 和 web 在 lo 上通信，用 127.0.0.1 和它们自己的地址；eth0 上看不到",
    "bbox's ping and web's HTTP leave with one MAC and one address":
        "bbox 的 ping 和 web 的 HTTP 以同一个 MAC 和同一个地址离开",
    "other reaches web over docker0 and the one veth that web and bbox have":
        "other 经 docker0 和 web、bbox 共有的那个 veth 到达 web",
    "nothing is translated": "没有地址转换",
    # flannel and flannel-host-gw
    "left reaches right across cni0, flannel.1 and the NIC of both hosts, by ping and HTTP":
        "left 经两台主机的 cni0、flannel.1 和网卡到达 right：ping 和 HTTP 都如此",
    "each host routes it: TTL 64 at left, 63 in the tunnel, 62 at right":
        "每台主机都做路由：TTL 在 left 为 64，在隧道中为 63，在 right 为 62",
    "on the wire it is in VXLAN with VNI 1, UDP port 8472, between both hosts; inside, flannel.1 sends to flannel.1":
        "线路上是两台主机之间的 VXLAN，VNI 1，UDP 端口 8472；里面由 flannel.1 发往 flannel.1",
    "host A itself comes to right from 10.244.1.0, the address of its flannel.1":
        "主机 A 自己到达 right 时的源地址是 10.244.1.0，即它的 flannel.1 的地址",
    "to host B's own address left is host A, by ping and TCP, as host A's connection table has it":
        "访问主机 B 自己的地址时，left 就是主机 A：ping 和 TCP 都如此，与主机 A 的连接跟踪表一致",
    "left reaches right across cni0 and the NIC of both hosts, by ping and HTTP":
        "left 经两台主机的 cni0 和网卡到达 right：ping 和 HTTP 都如此",
    "each host routes it: TTL 64 at left, 63 on the wire, 62 at right":
        "每台主机都做路由：TTL 在 left 为 64，在线路上为 63，在 right 为 62",
    "there is no tunnel: the pods' own addresses are on the wire": "没有隧道：线路上是 pod 自己的地址",
    "host A itself comes to right from its own address": "主机 A 自己到达 right 时的源地址是它自己的地址",
    # host
    "the model is host": "网络模型是 host",
    "what web sends has the MAC of host A's NIC and its address, and no other":
        "web 发出的包用主机 A 网卡的 MAC 和地址，没有别的",
    "host B sees the same: ping and HTTP both ways between the two hosts' own addresses":
        "主机 B 看到的也一样：两台主机自己的地址之间双向的 ping 和 HTTP",
    "nothing is translated and no port is published": "没有地址转换，也没有端口映射",
    "nothing of it passes docker0": "没有包经过 docker0",
    "host A reaches web over its own lo": "主机 A 经自己的 lo 到达 web",
    # ipvlan-l2
    "the model is ipvlan-l2": "网络模型是 ipvlan-l2",
    "at host B the MAC of host A's NIC speaks for one, two and host A itself, and the report calls it shared":
        "在主机 B 上，主机 A 网卡的 MAC 代表 one、two 和主机 A 自己，报告称它为共享",
    "inside, one and two have that MAC too": "在容器内部，one 和 two 也用这个 MAC",
    "what one and two say to each other is inside both, and not in the parent's capture":
        "one 和 two 之间的包在两个容器内部，不在父接口的抓包中",
    "one and host B talk straight, both ways: nothing is translated or routed":
        "one 和主机 B 双向直接通信：没有地址转换，也没有路由",
    "host B's ping reaches two, and is answered": "主机 B 的 ping 到达 two，并有应答",
    # ipvlan-l3
    "the model is ipvlan-l3": "网络模型是 ipvlan-l3",
    "at host B the MAC of host A's NIC speaks for one and two, which have that MAC inside too":
        "在主机 B 上，主机 A 网卡的 MAC 代表 one 和 two，它们在内部也用这个 MAC",
    "between the subnets the packets are inside both containers, and not in the parent's capture":
        "两个子网之间的包在两个容器内部，不在父接口的抓包中",
    "from one subnet to the other, and to host B, the TTL stays: no router is in between":
        "从一个子网到另一个子网，以及到主机 B，TTL 不变：中间没有路由器",
    "no ARP request asks for one or two, and none is answered for them":
        "没有 ARP 请求询问 one 或 two，也没有对它们的应答",
    "before host B has its routes, one's ping and host B's are not answered; with them each ping and HTTP is":
        "主机 B 有路由之前，one 和主机 B 的 ping 都没有应答；有了路由，每个 ping 和 HTTP 都有应答",
    # kubernetes-service
    "app's connections to the cluster IP go to web-a or to web-b, and come from app when they arrive":
        "app 到 ClusterIP 的连接去往 web-a 或 web-b，到达时源地址是 app",
    "host A's own connections arrive from the interface that leads to the pod: cni0, or flannel.1":
        "主机 A 自己的连接到达时，源地址是通向该 pod 的接口的地址：cni0 或 flannel.1",
    "host B's connections to node port 30080 go to either pod, and none arrives from host B: its address is lost":
        "主机 B 到 NodePort 30080 的连接去往任一 pod，到达时都不是主机 B 的地址：客户端地址丢失",
    "to node port 30081, with externalTrafficPolicy Local, host B comes as host B, to the pod of the node itself":
        "到 externalTrafficPolicy 为 Local 的 NodePort 30081，主机 B 到达时仍是主机 B，到该节点自己的 pod",
    "from app to web-b it is DNAT before cni0, then flannel's VXLAN to host B":
        "从 app 到 web-b，先在 cni0 之前做 DNAT，再经 flannel 的 VXLAN 到主机 B",
    # macvlan
    "the model is macvlan": "网络模型是 macvlan",
    "behind host A's NIC web and bbox have MACs of their own, as Docker gave them":
        "在主机 A 的网卡后面，web 和 bbox 有各自独立的 MAC，即 Docker 所给的",
    "the report calls these MACs distinct": "报告称这些 MAC 各自独立",
    "what web and bbox say to each other is in the parent's capture, and not at host B":
        "web 和 bbox 之间的包在父接口的抓包中，不在主机 B 上",
    "bbox and host B, host B and web talk straight: nothing is translated or routed":
        "bbox 与主机 B、主机 B 与 web 直接通信：没有地址转换，也没有路由",
    "host A asks for its own child web, no answer comes, and the report says why":
        "主机 A 询问自己的子接口 web，没有应答，报告说明了原因",
    # macvlan-vlan
    "on the wire web and bbox have MACs of their own, as Docker gave them":
        "在线路上，web 和 bbox 有各自独立的 MAC，即 Docker 所给的",
    "what web and bbox say to each other is at ens33.10, and neither at ens33 nor at host B":
        "web 和 bbox 之间的包在 ens33.10 上，不在 ens33 上，也不在主机 B 上",
    "bbox's ping to host B passes ens33.10, both NICs, ens33.10; nothing is translated":
        "bbox 到主机 B 的 ping 经过 ens33.10、两块网卡、ens33.10；没有地址转换",
    "host A asks for its own child web in that VLAN, no answer comes, and the report says why":
        "主机 A 在该 VLAN 中询问自己的子接口 web，没有应答，报告说明了原因",
    # none
    "the model is none": "网络模型是 none",
    "on lo inside bbox there is ping and HTTP, from 127.0.0.1 to 127.0.0.1, and nothing else":
        "bbox 内部的 lo 上有从 127.0.0.1 到 127.0.0.1 的 ping 和 HTTP，没有别的",
    "nothing of it appears at any point of host A": "主机 A 的任何抓包点上都没有它的包",
    "bbox sent no packet to any point: it has no address but 127.0.0.1, and no route":
        "bbox 没有向任何抓包点发送包：它只有地址 127.0.0.1，没有路由",
    # overlay
    "the model is overlay": "网络模型是 overlay",
    "on the wire there is VXLAN with the VNI that Docker gave vxlanA, between both hosts":
        "线路上有两台主机之间的 VXLAN，VNI 是 Docker 给 vxlanA 的那个",
    "inside are left and right, and no others": "隧道内是 left 和 right，没有别的",
    "the ping is followed from container to container: across br0, vxlan0, both NICs, vxlan0, br0":
        "ping 从容器到容器都能跟踪：经过 br0、vxlan0、两块网卡、vxlan0、br0",
    "out through docker_gwbridge both are masqueraded, as the connection tables of the hosts have it":
        "经 docker_gwbridge 出去时两者都做源地址转换，与两台主机的连接跟踪表一致",
    "to the other host each container is its own host, by ping and TCP":
        "对另一台主机来说，每个容器就是它所在的主机：ping 和 TCP 都如此",
    # overlay-encrypted
    "between the NICs there is ESP, encrypted, between both hosts": "网卡之间是两台主机之间加密的 ESP",
    "at neither NIC can left or right be read": "两块网卡上都读不到 left 和 right",
    "in vxlan0 of both hosts the ping and the HTTP between left and right are readable":
        "在两台主机的 vxlan0 上，left 和 right 之间的 ping 和 HTTP 可读",
    "the report says that the overlay is encrypted": "报告说明该 overlay 网络是加密的",
    # overlay-service
    "what client sends to the virtual address reaches one task, then the other, and seems to come from the balancer":
        "client 发往虚拟地址的包先到一个任务，再到另一个，看起来来自负载均衡",
    "host A's port 8080 leads to the ingress sandbox, and that to one task, then the other":
        "主机 A 的 8080 端口通向 ingress-sbox，它再先后通向两个任务",
    "every translation is one that the connection tables of host A, its balancer and its ingress sandbox have":
        "每一处转换都在主机 A、它的负载均衡和 ingress-sbox 的连接跟踪表中",
    "to the task on A a packet for the virtual address never leaves the host, to the one on B it goes through VXLAN":
        "发往虚拟地址的包，到 A 上的任务时不离开主机，到 B 上的任务时经过 VXLAN",
    "on the wire there is VXLAN of both networks, with the VNIs that Docker gave them":
        "线路上有两个网络的 VXLAN，VNI 是 Docker 所给的",
    # overlay-two
    "on the wire there are two VNIs, each of the network that Docker gave it to":
        "线路上有两个 VNI，各属于 Docker 把它给予的网络",
    "both networks are between the same two hosts": "两个网络都在同样的两台主机之间",
    "in each VNI there are the two containers of its network, and no others": "每个 VNI 中是该网络的两个容器，没有别的",
    "every ping is followed from container to container, across both VXLAN devices and both NICs":
        "每个 ping 从容器到容器都能跟踪，经过两个 VXLAN 设备和两块网卡",
}  # fmt: skip
