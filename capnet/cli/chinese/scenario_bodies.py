"""What each scenario builds, sends and captures: the help of its command below the drawing, a sentence a line."""

from __future__ import annotations

SCENARIO_BODIES = {
    "bridge": """
建立  主机 A 默认网桥上的 web（Web 服务器，端口 80 映射为 8080）和 bbox；主机 B 自己的网络中，
      端口 7000 上的 Web 服务器和一个名称服务器。
发送  bbox 到 web：HTTP，在 docker0 上交换，什么都不改写。
      bbox 到主机 B：ping、HTTP 和 DNS 查询，在 ens33 上发送方是主机 A（MASQUERADE）。
      主机 B 到 A:8080：HTTP，在 docker0 上目的地址是 web:80（DNAT），发送方仍是主机 B。
抓包  两个容器的 eth0、它们 veth 的主机端、docker0，以及两台主机的 ens33。
""",
    "bridge-clash": """
建立  主机 A 默认网桥上的 left 和 right，它们的连接都从端口 5555 发出；主机 B 上，
      端口 7000 上的 Web 服务器和一个名称服务器。
发送  left 到 right：ping，docker0 上的邻居，什么都不改写。
      先 left，后 right，到主机 B：HTTP、DNS 查询，以及标识符为 200 的 ping。
      对主机 B 而言两者都是主机 A：每个五元组只能用一次，第二个连接得到另一个端口或 id。
抓包  两个容器的 eth0、docker0，以及两台主机的 ens33。
""",
    "bridge-hairpin": """
建立  主机 A 默认网桥上的 web（Web 服务器，端口 80 映射为 8080）和 bbox。守护进程使用用户态代理，
      这是 Docker 的默认设置。
发送  web 到 bbox：ping，docker0 上的邻居，直接到达。
      bbox 到 A:8080：HTTP，来自 docker0 的包不转换；docker-proxy 应答它，
      并从 172.17.0.1 自己另开一个到 web 的连接。
      主机 A 到 127.0.0.1:8080：HTTP，同样经 docker-proxy。
      主机 A 到自己地址的端口 8080：HTTP，发送之前就已转换，不经代理。
抓包  两个容器的 eth0，以及主机 A 的 docker0、lo 和 ens33。
""",
    "bridge-hairpin-noproxy": """
建立  主机 A 默认网桥上的 web（Web 服务器，端口 80 映射为 8080）和 bbox。
      守护进程不使用用户态代理（daemon.json 中 `"userland-proxy": false`）。
发送  bbox 到 A:8080：HTTP，在 docker0 上转换为到 web:80。
      web 到 A:8080，即它自己：HTTP，两个方向都转换，从网桥的端口出去，又从同一端口回来。
      主机 A 到 127.0.0.1:8080 和自己的地址：HTTP，发送之前就已转换。
抓包  两个容器的 eth0，以及主机 A 的 docker0、lo 和 ens33。
""",
    "bridge-internal": """
建立  backend，用 --internal 建立的网桥网络；其上有 web（Web 服务器，以 -p 8080:80 启动，
      而 Docker 在这样的网络上不映射端口）和 bbox。
发送  bbox 到 web：按名称 ping 和 HTTP，在网桥上交换，什么都不改写。
      bbox 到主机 B：ping，主机 A 丢弃它。（较新的 Docker 不给 bbox 默认路由，它立即失败。）
      主机 B 到 A:8080：HTTP，被拒绝，因为那里没有程序监听。
      主机 B 经主机 A 的路由到 web：ping，主机 A 丢弃它（iptables，DOCKER-ISOLATION-STAGE-1）。
抓包  bbox 的 lo 和 eth0、web 的 eth0、它们 veth 的主机端、这个网络的网桥，以及两台主机的 ens33。
""",
    "bridge-user-defined": """
建立  appnet，IPv4 和 IPv6 各有一个子网的网桥网络；其上有 web（Web 服务器）和 bbox；主机 B 上，
      端口 7000 上的 Web 服务器。
发送  bbox 向 Docker 的 DNS 服务器查询 web：查询不离开 bbox 的 lo，发往 127.0.0.11:53，
      并被重定向到 dockerd 选择的端口。
      bbox 到 web：IPv4 和 IPv6 的 ping 和 HTTP，在网桥上交换，什么都不改写。
      bbox 到主机 B：ping 和 HTTP，与 docker0 上一样经 MASQUERADE。
抓包  bbox 的 lo 和 eth0、这个网络的网桥、web 的 eth0、docker0，以及两台主机的 ens33。
""",
    "cni-bridge": """
建立  web（Web 服务器，端口 80 对应 hostPort 8080）和 app：Docker 不给它们网络，由 CNI 插件 bridge 和 portmap 给出，
      与 Kubernetes 的容器运行时所做的一样；主机 B 上，端口 7000 上的 Web 服务器。
发送  app 到 web：HTTP，在 cni0 上交换，什么都不改写。
      app 到主机 B：ping 和 HTTP，在 ens33 上发送方是主机 A（MASQUERADE）。
      主机 B 到 A:8080：HTTP，在 cni0 上目的地址是 web:80（DNAT），发送方仍是主机 B。
抓包  两个 pod 的 eth0、它们 veth 的主机端、cni0，以及两台主机的 ens33。
""",
    "cni-ptp": """
建立  web（Web 服务器，端口 80 对应 hostPort 8080）和 app：Docker 不给它们网络，由 CNI 插件 ptp 和 portmap 给出；主机 B
      上，端口 7000 上的 Web 服务器。
发送  app 到 web：ping 和 HTTP，经过主机，由它路由（TTL 减 1），它在每个 veth 上有不同的 MAC。
      app 到主机 B：ping 和 HTTP，在 ens33 上发送方是主机 A（MASQUERADE）。
      主机 B 到 A:8080：HTTP，在 web 的 veth 上目的地址是 web:80（DNAT），发送方仍是主机 B。
抓包  两个 pod 的 eth0、它们 veth 的主机端，以及两台主机的 ens33。
""",
    "container": """
建立  web，默认网桥上的 Web 服务器；bbox，使用 --network container:web；other，也在网桥上。
发送  bbox 到 web：HTTP，经 127.0.0.1 和它们共同的地址，都在 lo 上，eth0 上看不到。
      bbox 到 other：ping；other 到 web：HTTP。两者都经同一个 eth0，一个 MAC，一个地址。
抓包  web 和 bbox 的 lo 和 eth0（二者是同一个）、其 veth 的主机端、docker0，以及 other 的 eth0。
""",
    "flannel": """
建立  flannel 在集群的两个节点上所设置的内容：CNI 插件 bridge 所建网桥上的 pod、一个 VXLAN 设备，以及到另一节点上 pod
      的路由；每个节点一个 pod，left 和 right（Web 服务器）；主机 B 上，端口 7000 上的 Web 服务器。
发送  left 到 right：ping 和 HTTP，由两个节点路由，其间在 VXLAN 中，不改写地址。
      主机 A 自己到 right：HTTP，源地址是它的 VXLAN 设备的地址 10.244.1.0。
      left 到主机 B 自己的地址：ping 和 HTTP，经 MASQUERADE，不经隧道。
抓包  两个 pod 的 eth0，以及两台主机的 cni0、flannel.1 和 ens33。
""",
    "flannel-host-gw": """
建立  flannel 的后端 host-gw 在同一以太网的两个节点上所设置的内容：CNI 插件 bridge 所建网桥上的 pod，以及经另一节点到其
      pod 的路由；每个节点一个 pod，left 和 right（Web 服务器）；主机 B 上，端口 7000 上的 Web 服务器。
发送  left 到 right：ping 和 HTTP，由两个节点路由，线路上是 pod 自己的地址。
      主机 A 自己到 right：HTTP，源地址是它自己的地址。
      left 到主机 B 自己的地址：ping 和 HTTP，经 MASQUERADE。
抓包  两个 pod 的 eth0，以及两台主机的 cni0 和 ens33。
""",
    "host": """
建立  web，使用 --network host：在主机自己的端口 8000 上的 Web 服务器；主机 B 上，端口 7000 上的 Web 服务器。
发送  web 到主机 B：ping 和 HTTP，用主机的 MAC 和地址，什么都不改写。
      主机 B 到 web：HTTP，直接到 A:8000，没有端口映射。
      主机 A 到 web：经 127.0.0.1 的 HTTP，它们也共享 lo。
抓包  两台主机的 ens33，以及主机 A 的 lo 和 docker0。
""",
    "ipvlan-l2": """
建立  主机 A 网卡上的 L2 模式 ipvlan 网络，使用该网卡的子网和网关；其上两个容器 one（Web 服务器）和 two，
      使用那里空闲的地址。主机 B 上，端口 7000 上的 Web 服务器。
发送  one 到 two：ping；two 到 one：HTTP。由驱动直接转交，父接口上看不到。
      one 到主机 B：ping 和 HTTP；主机 B 到 one：ping 和 HTTP；主机 B 到 two：ping；主机 A 到主机 B：ping。
      没有 NAT，主机 A、one 和 two 共用一个 MAC。
抓包  两个容器的 eth0，以及两台主机的 ens33。
""",
    "ipvlan-l3": """
建立  主机 A 网卡上的 L3 模式 ipvlan 网络，子网为 10.0.1.0/24 和 10.0.2.0/24；每个子网一个容器：
      one（Web 服务器）和 two。
发送  one 到 two：ping；two 到 one：HTTP。从子网到子网不经路由器，也没有 ARP。
      one 到主机 B，主机 B 到 one：ping，请求能到达或发出，但没有一个应答回来。
      然后主机 B 得到经主机 A 到两个子网的路由，两个方向都通：到 one 的 ping 和 HTTP，到 two 的 ping，
      来自 one 的 ping。之后撤回路由。
抓包  两个容器的 eth0，以及两台主机的 ens33。
""",
    "kubernetes-service": """
建立  集群的两个节点，使用 flannel 的网络；主机 A 上的 pod app 和 web-a，主机 B 上的 web-b；主机 A 上有真正的
      kube-proxy，以及由两个 Web 服务器提供的两个服务：web，和 externalTrafficPolicy 为 Local 的 near。
发送  app 到 ClusterIP：HTTP，直到两个 Web 服务器都应答过；DNAT 到其中一个，发送方不变。
      主机 A 到 ClusterIP：同样直到两个都应答过；DNAT，并 MASQUERADE 为通向该 pod 的接口的地址。
      主机 B 到 A:30080：直到两个都应答过；DNAT 和 MASQUERADE，客户端地址丢失。
      主机 B 到 A:30081：只有 DNAT，保留客户端地址。
抓包  各 pod 的 eth0、主机 A 的 cni0 和 flannel.1，以及两台主机的 ens33。
""",
    "macvlan": """
建立  macvnet，父接口为 ens33、使用主机子网的 macvlan 网络；其上有 web 和 bbox，使用没有其他主机应答的两个地址；
      主机 B 上，端口 7000 上的 Web 服务器。其间父接口处于混杂模式。
发送  bbox 到 web：ping 和 HTTP，在父接口的抓包中能看到，但不上线路。
      bbox 到主机 B：ping 和 HTTP；主机 B 到 web：HTTP。在线路上使用容器自己的 MAC。
      主机 A 到 web：ping，失败：主机自己的 macvlan 子接口收不到它的包，ARP 没有应答。
抓包  两个容器的 eth0，以及两台主机的 ens33。
""",
    "macvlan-vlan": """
建立  macvlan10，父接口为 ens33.10 的 macvlan 网络，Docker 为它建立该接口（802.1q，VLAN 10），并随它移除；
      其上有 web 和 bbox。两台主机在该 VLAN 中各有自己的地址，主机 B 的在 ens33.10 上，之后移除。
发送  bbox 到 web：ping 和 HTTP，在 ens33.10 上能看到，但不在 ens33 上，也不在线路上。
      bbox 到主机 B：ping；主机 B 到 web：HTTP；主机 A 到主机 B：ping。在 ens33.10 上不带标签，
      在 ens33 上带标签 10。
      主机 A 到 web：ping，失败：主机自己的 macvlan 子接口收不到它的包，ARP 没有应答。
抓包  两个容器的 eth0，以及两台主机的 ens33.10 和 ens33。
""",
    "none": """
建立  bbox，使用 --network none：只有 lo 的网络命名空间，其中有一个 Web 服务器。
发送  bbox 到自己的 127.0.0.1：ping 和 HTTP。
      bbox 到主机 A：立即失败，因为没有路由。
抓包  bbox 内的 lo；以及主机 A 的 lo、docker0 和 ens33，以确认那里没有它的任何包。
""",
    "overlay": """
建立  由两台主机组成的 swarm（或使用它们所在的 swarm），可附加的 overlay 网络 vxlanA，每台主机一个容器：
      A 上的 left，B 上的 right。每个容器还有第二块网卡，接在其主机的 docker_gwbridge 上。
发送  left 到 right：ping、HTTP 和大量 TCP 数据，在线路上封装在 VXLAN 中，里面不变。
      left 和 right 到另一台主机自己的地址：ping 和 HTTP，经 docker_gwbridge，并经 MASQUERADE。
抓包  两个容器的两块网卡、overlay 命名空间中的 br0 和 vxlan0、docker_gwbridge，以及两台主机的 ens33；
      在 ens33 上不含 swarm 自己的通信（2377、7946），除非用 --capture 指定。
""",
    "overlay-encrypted": """
建立  由两台主机组成的 swarm（或使用它们所在的 swarm），带 `encrypted` 选项的可附加 overlay 网络 vxlanE，
      每台主机一个容器：A 上的 left，B 上的 right。
发送  left 到 right：ping 和 HTTP。在 vxlan0 的抓包中，帧就是容器所发送的；在网卡之间是传输模式的 ESP，
      每个方向一个安全联盟，内容不可读。
抓包  两个容器的 eth0、overlay 命名空间中的 vxlan0，以及两台主机的 ens33；
      在 ens33 上不含 swarm 自己的通信（2377、7946），除非用 --capture 指定。
""",
    "overlay-service": """
建立  由两台主机组成的 swarm（或使用它们所在的 swarm），可附加的 overlay 网络 vxlanS，其上有两个任务的服务 web，
      每台主机一个，端口 80 映射为 8080；A 上的容器 client。
发送  client 按名称请求 web 的页面两次：名称对应虚拟地址（VIP），没有任何任务拥有它。
      A 在这个网络上的负载均衡给发往 VIP 的包打标记，IPVS 轮流交给各任务（DNAT），应答再经它返回（SNAT）。
      主机 B 请求主机 A 的端口 8080 两次：DNAT 到 ingress 沙箱，在那里再做一次同样的处理。
抓包  A 上的 client、负载均衡和 vxlanS 的 vxlan0，A 的 ingress 沙箱的两端，A 的 docker_gwbridge，
      每个任务在两个网络上的网卡，以及两台主机的 ens33；在那里不含 swarm 自己的通信（2377、7946），
      除非用 --capture 指定。
""",
    "overlay-two": """
建立  由两台主机组成的 swarm（或使用它们所在的 swarm），两个可附加的 overlay 网络 vxlanA 和 vxlanB，
      各有自己的子网，每个网络在每台主机上一个容器：A 上的 left-…，B 上的 right-…。
发送  left-a 到 right-a，left-b 到 right-b：ping 和 HTTP，在同样两台主机之间的 VXLAN 中，带各自网络的 VNI。
抓包  四个容器的 eth0、两台主机上每个网络命名空间中的 vxlan0，以及两台主机的 ens33；
      在 ens33 上不含 swarm 自己的通信（2377、7946），除非用 --capture 指定。
""",
}
