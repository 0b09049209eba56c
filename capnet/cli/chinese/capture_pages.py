"""Help in Chinese of the commands that look at running hosts."""

from __future__ import annotations

CAPTURE_PAGES = {
    "ps": (
        "列出主机上的容器，以及每个容器在网络中的位置。",
        """列出正在运行的主机上的容器、Pod、网络和服务，以及它们在网络上的位置。

\b
capnet ps                     每个容器的每个接口：地址、MAC、veth 的主机端
capnet ps vethb97d211         它是谁的，连接到哪里
capnet ps 172.17.0.2          谁拥有这个地址
capnet ps 02:42:ac:11:00:02   谁拥有这个 MAC
capnet ps docker0 web 8080    网桥、容器、端口映射（也可写 8080/tcp、127.0.0.1:8080）
capnet ps --from a.topology.json veth1   保存的主机

参数可以是 Docker 的名称或 id、Pod 或 NAMESPACE/POD、接口、地址、MAC、抓包点、VNI、发布的端口，或 `ip link` 在 @
之后输出的内容（if8）。
Kubernetes 节点的 Pod 和 nerdctl 的容器，是 containerd 和 CRI-O 所运行的；有没有 Docker 都可以，需要 root。
也列出节点自己的接口。
接口和主机端需要 root，在本机或 ssh:// 所到之处。没有 root 时，由 dockerd 的一个容器查看，之后移除；
用 --no-container 时，只有 Docker 和网桥对任何用户公开的内容。
表格的列数取决于宽度；json 和 csv 包含全部。
""",
    ),
    "topology": (
        "哪个地址属于谁：树状列出，存为文件，或画成图。",
        """列出或写出正在运行的主机的拓扑：主机、网络、容器、Pod 及其地址和接口。

\b
capnet topology                                在终端上是树状文本，在管道中是 JSON
capnet topology -o web.topology.json           放在 web.pcapng 旁边，analyze 会自动找到
capnet topology -o hosts.svg                   图；dot 用于 Graphviz
capnet topology --host A=ssh://a --host B=ssh://b -o all.topology.json
capnet topology --from support.tar.gz          来自其他主机上保存的内容

--from 接受 docker inspect、docker network inspect、docker service inspect、docker info --format json、
ip -j -d address、ip -j route、ip -j neigh、iptables-save -c、nft -j list ruleset、conntrack -L 和 sysctl -a 的输出，
按内容识别；每台主机一个文件夹，其中每个网络命名空间一个文件夹。不属于这些的文件会被列出。
也可以读取 capnet 的拓扑。
""",
    ),
    "capture": (
        "抓取正在运行的容器的包。",
        """在容器的包经过本机的每个抓包点上抓取，写入一个 pcapng。

TARGET 是容器的名称、HOST/NAME、id、地址或 veth；没有这样的容器时，是网络、项目或服务。
在 Kubernetes 节点上，是 Pod、NAMESPACE/POD，或只在一个 Pod 中的容器。

\b
capnet capture web                      web 的 eth0、它的 veth、网桥、后面的网卡
capnet capture web db port 5432         每个抓包点上用同样的过滤器，写法同 tcpdump
capnet capture --project shop --report  一个 Compose 项目；Ctrl-C 结束，随后是报告
capnet capture web -w - | wireshark -k -i -
capnet capture -i eth0 -i docker0       接口，有没有 Docker 都可以
capnet capture --all -C 100 -W 10       最新的 10 个 100 MB 的文件

容器的抓包点是它的接口、veth 的主机端、网桥，以及主机通往外部的接口：默认路由的网卡、其他网卡、VPN。
macvlan 和 ipvlan 是父接口；overlay 网络还有其命名空间中的 br0 和 vxlan0，以及服务的负载均衡；
Pod 还有路由所到的隧道设备，例如 flannel.1。
在有 Docker DNS 服务器的网络上、
在容器共享的命名空间中，以及没有其他接口时，loopback 也是抓包点。

其间启动或重启、并且同样的写法所指的容器，会加入抓包。

网桥和网卡也显示其他容器的包：NAT 在那里改变地址，因此 capnet 不按地址挑选。FILTER 用于每个抓包点。
在承载 VXLAN 的网卡上，它只看得到外层地址。

需要 root，或能访问 Docker 的 socket。退出码：0 正常，2 用法错误，4 缺少某样东西。
""",
    ),
    "image": (
        "capnet 在非 root 时用来抓包的镜像。",
        """capnet 在非 root 时和 tcp:// 之后用来抓包的镜像。

它由本机的程序（dumpcap 或 tcpdump、nsenter、ip、conntrack、iptables-save……）及其共享库组成；
不访问任何镜像仓库。如果 dockerd 没有该镜像而处理器相同，capnet 会自己制作。这些命令把它带到别处：

\b
capnet image save | ssh node docker load
capnet image save -o capture.tar
capnet image load capture.tar --host tcp://b:2376
""",
    ),
    "image build": ("用本机的程序制作镜像，并载入 dockerd。", "用本机的程序制作镜像，并载入 dockerd。"),
    "image load": ("把保存的镜像载入 dockerd；- 是标准输入。", "把保存的镜像载入 dockerd；- 是标准输入。"),
    "image rm": (
        "从 dockerd 移除镜像，以及旧版本的 capnet 留下的。",
        "从 dockerd 移除镜像，以及旧版本的 capnet 留下的。",
    ),
    "image save": (
        "把镜像写成 `docker load` 所接受的归档。不需要 Docker。",
        "把镜像写成 `docker load` 所接受的归档。不需要 Docker。",
    ),
    "watch": (
        "观察容器，或正在增长的抓包。",
        """以不断刷新的表格观察抓到的内容：问题、流及其速率、NAT、隧道。

\b
capnet watch web                     一个容器，在它的包经过的每个抓包点上
capnet watch --project shop          一个 Compose 项目
capnet watch growing.pcapng          另一个程序正在写的文件
tcpdump -i any -U -w - | capnet watch -

TARGET、FILTER 和选项同 `capnet capture`，后者还会保存包。`q` 或 Ctrl-C 结束。
""",
    ),
    "wireshark": (
        "在 Wireshark 中使用 Docker 主机和包 id。",
        """把 Docker 主机、容器和网络作为 Wireshark 的接口，并显示 capnet 对包的说明。

\b
extcap    Wireshark 和 `tshark -D` 中的接口 capnet:web、capnet-network:shop、capnet-host:docker
profile   capnet：抓包点、包 id 和注释的列；颜色；过滤按钮
fields    capnet.id、capnet.change、capnet.delay 等，来自 `capnet annotate` 的注释

\b
capnet wireshark install && wireshark -C capnet
tshark -i capnet:web -c 10
""",
    ),
    "wireshark install": (
        "为你自己安装这个版本的 Wireshark 能读取的内容。",
        """为你自己安装这个版本的 Wireshark 能读取的内容；其他文件保持不变。

当前设置的 DOCKER_HOST 等变量会保存给 extcap 程序使用。退出码 4：什么也没有安装。
""",
    ),
    "wireshark status": (
        "显示安装了什么、在哪里、哪个版本。",
        "显示安装了什么、在哪里、哪个版本，以及这个 Wireshark 读取什么。退出码 1：缺少一部分。",
    ),
    "wireshark uninstall": (
        "移除 `install` 写入的文件。",
        "移除 `install` 写入的文件，除非之后被修改过。",
    ),
}
