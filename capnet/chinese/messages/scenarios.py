"""Errors and lines of `capnet scenario`: what is built and sent, and what is not as it was expected."""

from __future__ import annotations

SCENARIO_MESSAGES = {
    # help
    "(The drawing is left out: it takes {width} columns.)": "（略去了图：它需要 {width} 列。）",
    # choosing one
    "no scenario {name}; there are: {names:list}": "没有场景 {name}；现有：{names}",
    "no fault {name}; there are: {names:list}": "没有故障 {name}；现有：{names}",
    "a fault breaks a network, so it is played on one that is made for it: add --lab":
        "故障会破坏网络，因此在专门建立的网络上运行：请加 --lab",
    "--lab brings its own hosts": "--lab 自带主机",
    "{reason:text}; --lab brings its own hosts": "{reason}；--lab 自带主机",
    "--lab brings its own hosts: leave --host and --peer out": "--lab 自带主机：请去掉 --host 和 --peer",
    "--kernel is about the lab: use it with --lab": "--kernel 用于实验环境：请与 --lab 一起使用",
    "--peer {url} is the first host itself": "--peer {url} 就是第一台主机",
    "{name} needs a second Docker host: name it with --peer, or use --lab (two hosts on this machine)":
        "{name} 需要第二台 Docker 主机：请用 --peer 指定，或使用 --lab（本机上的两台主机）",
    "no second host (--peer): what is sent to it or from it is left out":
        "没有第二台主机（--peer）：略去发往它和来自它的流量",
    "the kernel of host {host} ({kernel}) lacks {names:list}, which {name} needs: load the modules, or play it in a "
    "lab with another kernel: capnet scenario {scenario} --lab --kernel uml":
        "主机 {host} 的内核（{kernel}）缺少 {name} 所需的 {names}：请加载模块，"
        "或在使用其他内核的实验环境中运行：capnet scenario {scenario} --lab --kernel uml",
    "{name} is about a daemon with {key}={value}; capnet sets that in a lab only (--lab)":
        "{name} 针对设有 {key}={value} 的守护进程；capnet 只在实验环境中这样设置（--lab）",
    "{name} needs {names:list}, which this machine lacks": "{name} 需要 {names}，而本机没有",
    "a scenario is added to a checkout of capnet, in its folder scenarios":
        "场景添加在 capnet 代码库的 scenarios 文件夹中",
    "{name}: a scenario's name is of lower-case words and digits, such as bridge-internal":
        "{name}：场景的名称由小写单词和数字组成，例如 bridge-internal",
    "{name}: `capnet scenario {same}` is a command; choose another name":
        "{name}：`capnet scenario {same}` 是一个命令；请另取名称",
    "{path} exists already; choose another name": "{path} 已存在；请另取名称",
    "wrote {path}": "已写入 {path}",
    "nothing was left": "没有留下任何内容",
    # before it begins
    "--output {path}: the bundle is a pcapng file; call it {better}":
        "--output {path}：写出的是 pcapng 文件；请命名为 {better}",
    "{folder} has {free} MiB free, and a scenario needs {needed} MiB: make room, or choose another folder with "
    "--output":
        "{folder} 剩余 {free} MiB，而场景需要 {needed} MiB：请腾出空间，或用 --output 选择其他文件夹",
    "--capture {name}: no host has an interface of that name ({listed:text}). Without --capture, all points of the "
    "scenario are captured at":
        "--capture {name}：没有主机有这个名称的接口（{listed}）。不写 --capture 则在场景的所有抓包点上抓包",
    "--capture {name}: nothing can capture on these hosts": "--capture {name}：无法在这些主机上抓包",
    "--capture {name}: {reason:text}": "--capture {name}：{reason}",
    "host {host} already has a container named {name} (image {image}): {advice:text}":
        "主机 {host} 已有名为 {name} 的容器（镜像 {image}）：{advice}",
    "host {host} already has a network named {name}: {advice:text}": "主机 {host} 已有名为 {name} 的网络：{advice}",
    "host {host} already has a container named {name}: rename or remove it (`capnet scenario clean` removes what "
    "capnet left)":
        "主机 {host} 已有名为 {name} 的容器：请改名或移除（`capnet scenario clean` 移除 capnet 留下的）",
    "rename or remove it": "请改名或移除",
    "remove it": "请移除",
    "a scenario with --keep left it; `capnet scenario clean` removes it":
        "是带 --keep 的场景留下的；`capnet scenario clean` 会移除",
    "a scenario that runs, or another machine's, made it; wait until it has ended, or `capnet scenario clean`":
        "是正在运行的场景或另一台机器建立的；请等它结束，或 `capnet scenario clean`",
    "{advice:text}, or play it between hosts of its own: --lab": "{advice}，或在自带主机之间运行：--lab",
    "port {port} of host {host} is taken by {owner:text}: stop that, or play it between hosts of its own: --lab":
        "主机 {host} 的端口 {port} 被{owner}占用：请停止它，或在自带主机之间运行：--lab",
    "port {port} of host {host} is taken by {owner:text}: stop that, {advice:text}":
        "主机 {host} 的端口 {port} 被{owner}占用：请停止它，{advice}",
    "container {name}, which publishes its port {port} there": "容器 {name}（其端口 {port} 映射到那里）",
    "{program} (process {pid})": " {program}（进程 {pid}）",
    "a program that listens there": "在那里监听的程序",
    "subnet {subnet}, which {name} needs, overlaps with {used} of {owner:text} on host {host}: remove that, or play it "
    "between hosts of its own: --lab":
        "{name} 所需的子网 {subnet} 与主机 {host} 上{owner}的 {used} 重叠：请移除它，或在自带主机之间运行：--lab",
    "subnet {subnet}, which {name} needs, overlaps with {used} of {owner:text} on host {host}: remove that, "
    "{advice:text}":
        "{name} 所需的子网 {subnet} 与主机 {host} 上{owner}的 {used} 重叠：请移除它，{advice}",
    "Docker's network {name}": " Docker 网络 {name} ",
    "the route to {subnet} by {device}": "经 {device} 到 {subnet} 的路由",
    "another scenario": "另一个场景",
    "{user:text} uses host {host}, and scenarios run one after the other: wait until it has ended, or play this one "
    "in a lab of its own (--lab)":
        "{user} 正在使用主机 {host}，场景只能依次运行：请等它结束，或在单独的实验环境中运行（--lab）",
    "host {host} has no default route: which NIC leads to the other host?":
        "主机 {host} 没有默认路由：哪块网卡通往另一台主机？",
    "{nic} of host {host} has no IPv4 address": "主机 {host} 的 {nic} 没有 IPv4 地址",
    "no image, no registry, and no static {program} to make one of: install busybox-static, or name an image that is "
    "there with --image":
        "没有镜像，没有镜像仓库，也没有静态的 {program} 可用来制作：请安装 busybox-static，或用 --image 指定已有的镜像",
    "--image {image}: that is no name of an image ({reason:text})": "--image {image}：这不是镜像的名称（{reason}）",
    "--image: a name is missing": "--image：缺少名称",
    "host {host} has no image {image} and cannot pull it ({reason:text}); name another with --image":
        "主机 {host} 没有镜像 {image}，也无法拉取（{reason}）；请用 --image 指定其他镜像",
    # what is built
    "{host}: pull image {image}": "{host}：拉取镜像 {image}",
    "{host}: no registry answers; make {image} of {program}": "{host}：没有镜像仓库应答；用 {program} 制作 {image}",
    "{host}: its points are left out: {reason:text}": "{host}：略去它的抓包点：{reason}",
    "{host}: {nic} promiscuous": "{host}：{nic} 设为混杂模式",
    "{host}: container {name} on {network}": "{host}：网络 {network} 上的容器 {name}",
    "{host}: {driver} network {name}": "{host}：{driver} 网络 {name}",
    "{host}: ip route add {route}": "{host}：ip route add {route}",
    "swarm of {first} and {second}": "由 {first} 和 {second} 组成的 swarm",
    "service {name} of {number} tasks on {network}": "网络 {network} 上有 {number} 个任务的服务 {name}",
    "capture at {number} points: {names:list}": "在 {number} 个抓包点上抓包：{names}",
    "captured {number} packets": "抓到 {number} 个包",
    "kept; remove it with `capnet scenario clean`": "已保留；用 `capnet scenario clean` 移除",
    "remove everything again": "移除所建的一切",
    "break it: {command}": "破坏：{command}",
    "send, and capture at {names:list}": "发送，并在 {names} 抓包",
    # what came of it
    "all {number} expectations are met": "{number} 条预期全部满足",
    "all {number} expectations are met; {left_out} could not be checked here:":
        "{number} 条预期全部满足；{left_out} 条在这里无法检查：",
    "  left out: {claim:text}": "  略去：{claim}",
    "{name}: its packets do not show what it claims (see {path}):{lines:text}":
        "{name}：它的包不符合所述（见 {path}）：{lines}",
    "  expected: {claim:text}; {difference:text}": "  预期：{claim}；{difference}",
    "{finding} is told of the broken network, and nothing above info of the healthy one":
        "故障网络报出 {finding}，正常网络没有高于“提示”的诊断",
    "{name}: {reason:text} (see {broken}, {healthy})": "{name}：{reason}（见 {broken}、{healthy}）",
    "{finding} is not told": "没有报出 {finding}",
    "told as well: {names:list}": "还报出：{names}",
    "told of the healthy network: {names:list}": "对正常网络报出：{names}",
    "ok, {number} expectations": "正常，{number} 条预期",
    "failed {number} of {total} expectations": "{total} 条预期中 {number} 条不符",
    "{verdict:text} ({seconds} s)": "{verdict}（{seconds} 秒）",
    "see {path}": "见 {path}",
    "\n  expected: {claim:text}; {difference:text}": "\n  预期：{claim}；{difference}",
    "{difference:text}\n  expected: {claim:text}; {rest:text}": "{difference}\n  预期：{claim}；{rest}",
    "found {actual}, not {expected}": "得到 {actual}，而不是 {expected}",
    "no {name}": "没有 {name}",
    "expected: {claim:text}; {difference:text}": "预期：{claim}；{difference}",
    "{name}\n    {title}\n    breaks by  {command}": "{name}\n    {title}\n    破坏  {command}",
    "    named by   {finding}\n    needs      {needs}": "    诊断  {finding}\n    需要  {needs}",
    # names
    "there is no scenario {name}: {hint:text}": "没有场景 {name}：{hint}",
    "`capnet scenario list` lists them": "`capnet scenario list` 会列出",
    "there is no fault {name}: {hint:text}": "没有故障 {name}：{hint}",
    "`capnet scenario fault list` lists them": "`capnet scenario fault list` 会列出",
    # what failed
    "scenario {name} captured nowhere": "场景 {name} 没有在任何地方抓包",
    "there is no host to capture on: {reason:text}": "没有可以抓包的主机：{reason}",
    "the capture is kept without addresses and names of hosts and containers: {reason:text}":
        "保留的抓包没有主机和容器的地址与名称：{reason}",
    "{number} packets captured at {points} points are kept in {path}":
        "在 {points} 个抓包点上抓到的 {number} 个包保留在 {path}",
    "{number} packets captured at {points} point are kept in {path}":
        "在 {points} 个抓包点上抓到的 {number} 个包保留在 {path}",
    "{number} packet captured at {points} points is kept in {path}":
        "在 {points} 个抓包点上抓到的 {number} 个包保留在 {path}",
    "{number} packet captured at {points} point is kept in {path}":
        "在 {points} 个抓包点上抓到的 {number} 个包保留在 {path}",
    "{path} until `capnet scenario clean`": "{path}，直到 `capnet scenario clean`",
    "undoing what was made failed too: {reason:text}": "撤销所建的内容也失败了：{reason}",
    "in {name} on {host}: `{command}` failed with status {status}: it said nothing":
        "在 {host} 的 {name} 中：`{command}` 失败，退出码 {status}：没有输出",
    "in {name} on {host}: `{command}` failed with status {status}: {text}":
        "在 {host} 的 {name} 中：`{command}` 失败，退出码 {status}：{text}",
    "in {name} on {host}: `{command}` was to fail, saying {text}; its status is {status}, and it said: {printed:word}":
        "在 {host} 的 {name} 中：`{command}` 本应失败并输出 {text}；它的退出码是 {status}，输出：{printed}",
    "in {name} on {host}: `{command}` was to fail; its status is {status}, and it said: {printed:word}":
        "在 {host} 的 {name} 中：`{command}` 本应失败；它的退出码是 {status}，输出：{printed}",
    "after {seconds} s still not so: in {name}: `{command}`: {text}":
        "{seconds} 秒后仍未达到：在 {name} 中：`{command}`：{text}",
    "after {seconds} s still not so: in {name}: `{command}`": "{seconds} 秒后仍未达到：在 {name} 中：`{command}`",
    "after {seconds} s still not so: {what:text}": "{seconds} 秒后仍未达到：{what}",
    "port {port} of host {host} is taken, which a swarm needs: where Docker keeps it from a swarm that it has left, "
    "start Docker again (systemctl restart docker)":
        "主机 {host} 的端口 {port} 被占用，而 swarm 需要它：如果是 Docker 离开 swarm 后没有释放，"
        "请重新启动 Docker（systemctl restart docker）",
    "{worker} is in a swarm and {manager} is not: let {same} join it, or name the swarm's manager with --host":
        "{worker} 在 swarm 中而 {manager} 不在：请让 {same} 加入，或用 --host 指定 swarm 的管理节点",
    "{name} is no manager of its swarm: name a manager with --host":
        "{name} 不是其 swarm 的管理节点：请用 --host 指定管理节点",
    "{subnet} has no {number} free addresses for containers": "{subnet} 没有 {number} 个空闲地址供容器使用",
    "{network} is no bridge network, it is {driver}": "{network} 不是网桥网络，而是 {driver}",
    "--output {path}: all faults are many captures; name a folder":
        "--output {path}：全部故障是许多抓包，请给出文件夹",
    "{name} does not work when healthy: {reason:text}": "{name} 在正常网络上不能工作：{reason}",
    "{name} asks {address} port {port}: {reason:text}": "{name} 请求 {address} 端口 {port}：{reason}",
    "{name} cannot use {address} port {port}: {reason:text}": "{name} 无法使用 {address} 端口 {port}：{reason}",
    "no network namespace can be made ({reason:text}); run capnet as root (sudo capnet …)":
        "无法创建网络命名空间（{reason}）；请以 root 运行 capnet（sudo capnet …）",
    "no socket can be made in a network namespace": "无法在网络命名空间中创建套接字",
    "the server closed the connection without an answer": "服务器没有应答就关闭了连接",
    "the server closed the connection before its page was complete": "服务器在页面完整之前关闭了连接",
}  # fmt: skip

# Pods: CNI plugins, flannel, kube-proxy.
POD_MESSAGES = {
    "{program} needs root on host {host}: {reason:text}": "{program} 需要主机 {host} 上的 root 权限：{reason}",
    "host {host} has no CNI plugin {plugin} in {folders:list}: install containernetworking-plugins (Debian, Fedora), "
    "or an archive of github.com/containernetworking/plugins":
        "主机 {host} 的 {folders} 中没有 CNI 插件 {plugin}：请安装 containernetworking-plugins（Debian、Fedora），或 "
        "github.com/containernetworking/plugins 的压缩包",
    "{host}: CNI plugin {plugin}: {reason:text}": "{host}：CNI 插件 {plugin}：{reason}",
    "host {host} has an interface {interface}: flannel runs there. Use hosts of a lab: --lab":
        "主机 {host} 有接口 {interface}：那里正在运行 flannel。请使用实验环境的主机：--lab",
    "host {host} has an interface {interface}: it runs pods already. Use hosts of a lab: --lab":
        "主机 {host} 有接口 {interface}：它已经在运行 pod。请使用实验环境的主机：--lab",
    "host {host} is a node of Kubernetes already. Use hosts of a lab: --lab":
        "主机 {host} 已是 Kubernetes 的节点。请使用实验环境的主机：--lab",
    "host {host} has no {program} in PATH: {origin:text}": "主机 {host} 的 PATH 中没有 {program}：{origin}",
    "it is one file, of a release of Kubernetes (https://dl.k8s.io/VERSION/bin/linux/amd64/kube-proxy)":
        "它是 Kubernetes 发行版中的一个文件（https://dl.k8s.io/VERSION/bin/linux/amd64/kube-proxy）",
    "no Python 3 runs on host {host}: the API that kube-proxy asks is a program of it":
        "主机 {host} 上没有 Python 3：kube-proxy 所查询的 API 是一个 Python 程序",
    "kube-proxy on {host} ended: {reason:text}": "{host} 上的 kube-proxy 已结束：{reason}",
    "kube-proxy on {host} has written its rules": "{host} 上的 kube-proxy 写完规则",
    "left to right: ping, HTTP": "left 到 right：ping、HTTP",
    "host {name} to right: HTTP": "主机 {name} 到 right：HTTP",
    "left to host {name}: ping, HTTP": "left 到主机 {name}：ping、HTTP",
}  # fmt: skip

# What is sent: the steps of scenarios, whole messages only. As a part of another message, such as the reason that a
# program gives, "failed to open: …" would look like one.
SCENARIO_STEPS = {
    "{sender:text} to {receiver:text}: {what:list}": "{sender} 到 {receiver}：{what}",
    "{sender:text} to {receiver:text}: {what:list}; {rest:text}": "{sender} 到 {receiver}：{what}；{rest}",
    "{sender:text} to {receiver:text}: no answer": "{sender} 到 {receiver}：无应答",
    "{sender:text} to {receiver:text}: ping, not answered": "{sender} 到 {receiver}：ping，无应答",
    "{sender:text} to {receiver:text}: no route": "{sender} 到 {receiver}：没有路由",
    "{sender:text} to {receiver:text}: refused": "{sender} 到 {receiver}：被拒绝",
    "to {receiver:text}: {what:list}; {rest:text}": "到 {receiver}：{what}；{rest}",
    "to {receiver:text}: {what:list}": "到 {receiver}：{what}",
    "to its own child {name}: no answer": "到自己的子接口 {name}：无应答",
    "{name} asks for {other}: DNS": "{name} 查询 {other}：DNS",
    "{name} asks {other} twice": "{name} 请求 {other} 两次",
    "{name} asks port {port} of {host} twice": "{name} 请求 {host} 的端口 {port} 两次",
    "{sender:text} to {receiver:text} and back: ping, while host {host} has no route to {subnet}":
        "{sender} 到 {receiver}，以及返回：ping，而主机 {host} 没有到 {subnet} 的路由",
    "{sender:text} to {receiver:text}: HTTP over 127.0.0.1 and over their own address":
        "{sender} 到 {receiver}：HTTP，经 127.0.0.1 和它们自己的地址",
}  # fmt: skip

# Who sends and receives.
SCENARIO_PARTIES = {
    "{name} through port {port}": "{name}（经端口 {port}）",
    "{name} through host port {port}": "{name}（经 hostPort {port}）",
    "the cluster IP": "ClusterIP",
    "the cluster IP {address}": "ClusterIP {address}",
    "the node port {port}": "NodePort {port}",
    "the node port {port}, externalTrafficPolicy Local": "NodePort {port}（externalTrafficPolicy 为 Local）",
    "{name:text} from port {port}": "{name}（源端口 {port}）",
    "{name:text} with id {number}": "{name}（id {number}）",
    "{name} on {network}": "{name}（网络 {network}）",
    "{name}, by name": "{name}（按名称）",
    "{name} by way of host {host}": "{name}（经主机 {host}）",
    "{name} over 127.0.0.1": "{name}（经 127.0.0.1）",
    "{address}, and to its own address": "{address} 和自己的地址",
    "host {name}": "主机 {name}",
    "host {name}, port {port}": "主机 {name} 的端口 {port}",
    "host {name}, port {port}, which is itself": "主机 {name} 的端口 {port}，即它自己",
    "its own child {name}": "自己的子接口 {name}",
}  # fmt: skip
