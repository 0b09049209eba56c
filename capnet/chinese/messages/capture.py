"""Errors and lines of `capture`, `ps` and `topology`: what is captured, where, and what ends it."""

from __future__ import annotations

CAPTURE_MESSAGES = {
    # options
    "-w - writes packets to standard output: pipe it into a program": "-w - 把包写到标准输出：请用管道接上程序",
    "-w needs the name of a file, or -": "-w 需要文件名，或 -",
    "-w {path}: points have names in pcapng only; call it {better}":
        "-w {path}：只有 pcapng 中抓包点才有名称；请命名为 {better}",
    "-w {path}: this is a folder": "-w {path}：这是文件夹",
    "-w {path}: no folder {folder}": "-w {path}：没有文件夹 {folder}",
    "{path}: no permission to write there; name another place with -w": "{path}：没有写入权限；请用 -w 指定其他位置",
    "-W keeps the newest files of a ring: say with -C how large one is":
        "-W 保留最新的若干文件：请用 -C 指定每个文件多大",
    "-C makes several files, and -w - is one stream": "-C 产生多个文件，而 -w - 是一个流",
    "--report reads the file when it is whole; pipe a stream: … -w - | capnet analyze -":
        "--report 在文件完整之后读取；流请用管道：… -w - | capnet analyze -",
    "--why writes what the kernels say beside one file; leave out -w - and -C":
        "--why 把内核的记录写在一个文件旁边；请去掉 -w - 和 -C",
    "capture what? Name containers, --network, --project, --service, --all or -i IFACE":
        "抓什么？请写出容器、--network、--project、--service、--all 或 -i IFACE",
    "--all: no container is running": "--all：没有正在运行的容器",
    # which container
    "{name} is more than one container: write one of {names:list}": "{name} 是多个容器：请写其中之一：{names}",
    "{name} is a container and a {kinds:word}: write {container} for the container, {options:list}":
        "{name} 既是容器又是{kinds}：容器请写 {container}，否则写 {options}",
    "{name} is a {first:word} and a {second:word}: write {option} or {other}":
        "{name} 既是{first}又是{second}：请写 {option} 或 {other}",
    "{name} is a {kinds}: write {options}": "{name} 是 {kinds}：请写 {options}",
    "{name} is an interface of the host: write -i {interface}": "{name} 是主机的接口：请写 -i {interface}",
    "no running container is called {name}": "没有名为 {name} 的正在运行的容器",
    "no running container is called {name}; nearest: {names:list}":
        "没有名为 {name} 的正在运行的容器；最接近的：{names}",
    "no running container is called {name}; nearest: {names:list} ({number} more: see capnet ps)":
        "没有名为 {name} 的正在运行的容器；最接近的：{names}（另有 {number} 个：见 capnet ps）",
    "no running container is called {name}; no container is running": "没有名为 {name} 的容器；没有正在运行的容器",
    "no running container is called {name}; no container is running; not running: {names:text}":
        "没有名为 {name} 的容器；没有正在运行的容器；已停止的：{names}",
    "container {name} does not run ({state:text}): `docker start {same}`":
        "容器 {name} 没有运行（{state}）：`docker start {same}`",
    "container {name} on {host} does not run ({state:text}): `docker start {same}`":
        "{host} 上的容器 {name} 没有运行（{state}）：`docker start {same}`",
    "{name} has no running container here; not running: {names:text}":
        "{name} 在这里没有正在运行的容器；已停止的：{names}",
    "{kind:word} {name} has no running container here; not running: {names:text}":
        "{kind} {name} 在这里没有正在运行的容器；已停止的：{names}",
    "--all: no container is running; not running: {names:text}": "--all：没有正在运行的容器；已停止的：{names}",
    "no {kind:word} is called {name}": "没有名为 {name} 的{kind}",
    "no {kind:word} is called {name}; nearest: {names:list}": "没有名为 {name} 的{kind}；最接近的：{names}",
    "{kind:word} {name} has no running container here": "{kind} {name} 在这里没有正在运行的容器",
    "service {name} is in the projects {names:list}: add --project with one of them":
        "服务 {name} 属于多个项目 {names}：请用 --project 指定其中之一",
    "nothing on {hosts:list} is called {name}": "{hosts} 上没有叫 {name} 的",
    "nothing on {hosts:list} is called {name}; nearest: {names:list}": "{hosts} 上没有叫 {name} 的；最接近的：{names}",
    "nothing on {hosts:list} has {address}": "{hosts} 上没有哪个拥有 {address}",
    "nothing on {hosts:list} has {address}; nearest: {names:list}":
        "{hosts} 上没有哪个拥有 {address}；最接近的：{names}",
    "nothing on {hosts:list} has {address}, an address of network {network} ({subnet}); in use there: {names:list}":
        "{hosts} 上没有哪个拥有 {address}，它是网络 {network}（{subnet}）的地址；在用的：{names}",
    "nothing on {hosts:list} publishes port {port}; published: {ports:text}":
        "{hosts} 上没有映射端口 {port}；已映射的：{ports}",
    "no network is called {name}; nearest: {names:list}": "没有名为 {name} 的网络；最接近的：{names}",
    "no container is running": "没有正在运行的容器",
    # which interface
    "no interface {name}": "没有接口 {name}",
    "host {host} has no interface {interface}; it has {names:list}": "主机 {host} 没有接口 {interface}；现有 {names}",
    "{owner:text} has no interface {interface} (it has {names:list})": "{owner} 没有接口 {interface}（现有 {names}）",
    "{interface} of {container} has no other end on host {host}":
        "{container} 的 {interface} 在主机 {host} 上没有另一端",
    "container {container} on host {host} is not running": "主机 {host} 上的容器 {container} 没有运行",
    "host {host} keeps no load balancer for network {network} in {folder}":
        "主机 {host} 在 {folder} 中没有网络 {network} 的负载均衡",
    "host {host} keeps no namespace for overlay network {network} in {folder}":
        "主机 {host} 在 {folder} 中没有 overlay 网络 {network} 的命名空间",
    "nothing can capture on host {host}: {reason:text}": "无法在主机 {host} 上抓包：{reason}",
    "host {host} cannot be captured at: {reason:text}": "无法在主机 {host} 上抓包：{reason}",
    "no point of these containers can be seen": "看不到这些容器的任何抓包点",
    # programs that capture
    "no capture program: install tcpdump, or wireshark's dumpcap":
        "没有抓包程序：请安装 tcpdump，或 wireshark 的 dumpcap",
    "no capture program{place}: install tcpdump, or wireshark's dumpcap":
        "没有抓包程序{place}：请安装 tcpdump，或 wireshark 的 dumpcap",
    "{point}: {program} does not begin to capture": "{point}：{program} 没有开始抓包",
    "{program} cannot capture at {point}: {reason:text}": "{program} 无法在 {point} 抓包：{reason}",
    "{program} at {point} did not begin to capture within {seconds} s: {reason:text}":
        "{point} 上的 {program} 在 {seconds} 秒内没有开始抓包：{reason}",
    "{program} at {point} ended early: {reason:text}": "{point} 上的 {program} 提前结束：{reason}",
    "{program} at {point} had been stopped and goes on now": "{point} 上的 {program} 曾被停住，现在继续",
    "{program} at {point} {failure:text}; {number} packets of it are kept":
        "{point} 上的 {program} {failure}；保留了其中 {number} 个包",
    "{program} at {point} {failure:text}; {number} packet of it is kept":
        "{point} 上的 {program} {failure}；保留了其中 {number} 个包",
    "did not end within {seconds} s and was killed": "在 {seconds} 秒内没有结束，已被杀死",
    "ended early: {reason:text}": "提前结束：{reason}",
    "ended early at {time}: {reason:text}": "在 {time} 提前结束：{reason}",
    "another program told it to end": "另一个程序让它结束",
    "killed by {signal}": "被 {signal} 杀死",
    "{program} was ended by signal {number}": "{program} 被信号 {number} 结束",
    "{program} ended, exit status {status}": "{program} 已结束，退出码 {status}",
    "container {name} has stopped": "容器 {name} 已停止",
    "{interface} is gone, or was set down": "{interface} 不在了，或已被关闭",
    "{point} cannot be captured: {reason:text}": "无法在 {point} 抓包：{reason}",
    "{point} is left out: {reason:text}": "略过 {point}：{reason}",
    "{point} ended at {time}: {reason:text}": "{point} 在 {time} 结束：{reason}",
    "captured from {time} on: {names:list}": "从 {time} 起抓包：{names}",
    "host {name}: pods that start after {clock} are not captured": "主机 {name}：{clock} 之后启动的 Pod 不会被抓包",
    "host {host}: since {time} Docker does not tell which containers start; they are not captured":
        "主机 {host}：从 {time} 起 Docker 不再告知哪些容器启动；不对它们抓包",
    "{number} points have been captured; no others are added": "已有 {number} 个抓包点；不再增加",
    "host {host}: a container that started is not captured: {reason:text}":
        "主机 {host}：没有对一个启动的容器抓包：{reason}",
    "container {name} started, and is not captured: its process had ended, or cannot be seen":
        "容器 {name} 已启动，没有对它抓包：它的进程已结束，或无法看到",
    "standard output": "标准输出",
    "{path} (files of {size} MB)": "{path}（每个文件 {size} MB）",
    # what the topology lacks
    "interfaces inside containers, namespaces of overlay networks, host ends of veth pairs without a packet in the "
    "last minutes":
        "容器内的接口、overlay 网络的命名空间、最近几分钟没有包的 veth 对的主机端",
    "all interfaces; only what Docker says of networks and containers is known":
        "所有接口；只知道 Docker 给出的网络和容器",
    "services of Kubernetes": "Kubernetes 的服务",
    "interfaces of container {name}": "容器 {name} 的接口",
    "it has no process that can be seen here; it ended meanwhile, restarts, or runs in a virtual machine":
        "这里看不到它的进程；它已结束、正在重启，或在虚拟机中运行",
    "it ends and restarts: `docker logs {name}` says why": "它结束后又重启：`docker logs {name}` 说明原因",
    "interfaces of the machine": "机器的接口",
    "only root may enter its network namespace": "只有 root 能进入它的网络命名空间",
    "only root captures at interfaces of the machine: `sudo capnet capture -i NIC`":
        "只有 root 能在机器的接口上抓包：`sudo capnet capture -i NIC`",
    "interfaces of namespace {path}": "命名空间 {path} 的接口",
    "interfaces of namespace {path} and {number} more": "命名空间 {path} 和另外 {number} 个的接口",
    "no answer": "无应答",
    "this ip is BusyBox's, which prints no JSON; install iproute2":
        "这个 ip 是 BusyBox 的，不输出 JSON；请安装 iproute2",
    "nothing is left to capture": "没有可以继续抓包的抓包点了",
    "no space left in {folder}: what is captured from now on is lost": "{folder} 没有剩余空间：从现在起抓到的都会丢失",
    "interrupted before anything was captured": "在抓到任何包之前中断",
    "removed what a dead run left: {what:text}": "已移除上次被杀死的运行留下的：{what}",
    "the packets that a dead run left in {folder} stay there: {reason:text}":
        "上次被杀死的运行留在 {folder} 中的包仍在那里：{reason}",
    "the output cannot be written ({reason:text})": "无法写入输出（{reason}）",
    "the reader took nothing for {seconds} s; {number} bytes did not reach it":
        "读取方 {seconds} 秒没有取走任何数据；有 {number} 字节没有到达它",
    "{path} cannot be written any further ({reason:text})": "{path} 无法继续写入（{reason}）",
    "no further file beside {path} ({reason:text})": "{path} 旁边无法再建文件（{reason}）",
    "what the capture program wrote at offset {offset} is no packet": "抓包程序在偏移 {offset} 处写的不是包",
    # what kernels say
    "--why: {text:text}": "--why：{text}",
    "--why: {names:text} are not watched at {point}: {reason:text}": "--why：不在 {point} 观察 {names}：{reason}",
    "drops on machine {number}": "机器 {number} 上的丢包",
    "{name:text} is not watched: {reason:text}": "不观察 {name}：{reason}",
    "{name}: rules and counters are not kept: {reason:text}": "{name}：没有保存规则和计数器：{reason}",
    "{name}: connections, rules and counters of the end are not kept: {reason:text}":
        "{name}：没有保存结束时的连接、规则和计数器：{reason}",
    "{owner:word} has ended": "{owner} 已经结束",
    "{name}: the XDP program {program:text} is there; what it drops or redirects is not captured":
        "{name}：那里有 XDP 程序 {program}；它丢弃或重定向的包抓不到",
    "not running, and so not captured: {names:text}": "没有运行，因此没有抓包：{names}",
    "{name} has no network: it joined that of {owner}, which has ended or restarted since; while {same} runs, `docker "
    "restart {container}` joins it again": "{name} 没有网络：它加入了 {owner} 的网络命名空间，而后者此后已停止或"
    "重启；{same} 运行时，`docker restart {container}` 会重新加入",
    "{name} was made with -p {ports:text}, which is not published: {why:text}":
        "{name} 创建时带有 -p {ports}，但没有发布：{why}",
    "it uses the host's own network, where its ports are the host's": "它使用主机自己的网络，其端口就是主机的端口",
    "all its networks are internal, so connect it to another one too": "它的网络都是内部网络；请把它也接入另一个网络",
    "`docker port {name}` shows what is": "`docker port {name}` 显示已发布的端口",
    "{name} is paused: nothing in it answers until `docker unpause {same}`":
        "{name} 已暂停：在 `docker unpause {same}` 之前其中没有任何应答",
    "{name} restarts again and again: `docker logs {same}` says why":
        "{name} 一再重启：`docker logs {same}` 说明原因",
    "{point} of {name} is no port of {bridge}: `ip link set {end} master {same}`":
        "{name} 的 {point} 不是 {bridge} 的端口：`ip link set {end} master {same}`",
    "packets of {name} end in {process}, a process, which sends on from sockets of its own: at {points:list} they have "
    "the host's address and other ports":
        "{name} 的包终止于进程 {process}，由它用自己的套接字转发：在 {points} 上它们使用主机的地址和另外的端口",
    "packets of {name} end in {process}, a process, which sends on from sockets of its own: at the machine's NIC they "
    "have the host's address and other ports; only root captures there: `sudo capnet capture -i NIC`":
        "{name} 的包终止于进程 {process}，由它用自己的套接字转发：在机器的网卡上它们使用主机的地址和另外的端口；"
        "只有 root 能在那里抓包：`sudo capnet capture -i NIC`",
    "{point} left {bridge} meanwhile, and is no port of it: `ip link set {end} master {same}`":
        "{point} 在此期间离开了 {bridge}，不再是它的端口：`ip link set {end} master {same}`",
    "{name}: the topology goes without a connection table: {reason:text}": "{name}：拓扑中没有连接表：{reason}",
    "{name}: its clock does not answer: how far it is off is known by the packets alone":
        "{name}：时钟没有应答：它的偏差只能由包得知",
    # Wireshark
    "{name}: no lab with a host {host} is up (CAPNET_LAB_DIR)":
        "{name}：没有含主机 {host} 的实验环境在运行（CAPNET_LAB_DIR）",
    "snapshot length {value}: a number up to {most}": "抓取长度 {value}：应是不超过 {most} 的数",
    "buffer {value}: MiB from 1 to {most}": "缓冲区 {value}：应是 1 到 {most} MiB",
    "--capture needs --fifo": "--capture 需要 --fifo",
}  # fmt: skip
