"""Errors and lines about Docker hosts: how they are reached, by ssh, in a swarm, by a capture container."""

from __future__ import annotations

DOCKER_MESSAGES = {
    # naming hosts
    "--host {url} is given twice": "--host {url} 写了两次",
    "--host {name}=… is given twice: call each host otherwise": "--host {name}=… 写了两次：请给每台主机不同的名称",
    "--host {text}: write NAME=URL, both of them": "--host {text}：请写 NAME=URL，两者都要",
    "--swarm finds the other hosts itself: name one --host, a manager":
        "--swarm 自己会找到其他主机：只写一个 --host，即管理节点",
    "{url}: a Docker host is unix:///path, tcp://host:port or ssh://user@host":
        "{url}：Docker 主机写成 unix:///path、tcp://host:port 或 ssh://user@host",
    "{url}: host and port cannot be read": "{url}：无法读出主机和端口",
    "{url}: the path of a socket is missing; write unix:///var/run/docker.sock":
        "{url}：缺少套接字的路径；请写 unix:///var/run/docker.sock",
    "{url}: the name of a host is missing; write {example}": "{url}：缺少主机名；请写 {example}",
    "{url}: ssh takes no password from a URL; leave it out, and use a key or ssh-agent":
        "{url}：ssh 不从 URL 中取密码；请去掉，改用密钥或 ssh-agent",
    # the daemon
    "no Docker context named {name}: see `docker context ls`":
        "没有名为 {name} 的 Docker context：见 `docker context ls`",
    "Docker Desktop does not answer at {url} ({reason:text}); start it, or name the Docker of this machine: "
    "--host unix:///var/run/docker.sock (docker context use default)":
        "{url} 上的 Docker Desktop 没有应答（{reason}）；请启动它，或指定本机的 Docker："
        "--host unix:///var/run/docker.sock（docker context use default）",
    "no Docker daemon answers at {url} ({reason:text}); start Docker, or name another host with --host":
        "{url} 没有 Docker 守护进程应答（{reason}）；请启动 Docker，或用 --host 指定其他主机",
    "containers of Docker": "Docker 的容器",
    "{reason:text}; nor do containerd and CRI-O run a container there (no process containerd-shim or conmon has one)":
        "{reason}；containerd 和 CRI-O 也没有在那里运行容器（没有进程 containerd-shim 或 conmon 带有容器）",
    "{reason:text}; nor do containerd and CRI-O run a container there; {advice:text}":
        "{reason}；containerd 和 CRI-O 也没有在那里运行容器；{advice}",
    "podman has Docker's API after `systemctl start podman.socket`, rootless `systemctl --user start podman.socket`":
        "podman 在 `systemctl start podman.socket`（rootless 为 `systemctl --user start podman.socket`）之后提供 "
        "Docker 的 API",
    "{reason:text}; podman has Docker's API after `systemctl start podman.socket`, rootless `systemctl --user start "
    "podman.socket`":
        "{reason}；podman 在 `systemctl start podman.socket`（rootless 为 `systemctl --user start podman.socket`）之后"
        "提供 Docker 的 API",
    "no Docker daemon answers here; these are podman's containers, of {url}":
        "这里没有 Docker 守护进程应答；以下是 podman 的容器，来自 {url}",
    "{reason:text}; containers of containerd and CRI-O are root's: {advice:text}":
        "{reason}；containerd 和 CRI-O 的容器属于 root：{advice}",
    "{url}: no Docker daemon answers there; what containerd and CRI-O run there is looked at":
        "{url}：那里没有 Docker 守护进程应答；查看 containerd 和 CRI-O 在那里运行的容器",
    "{url} is not open to this user ({reason:text}); run capnet as root (sudo capnet …), or as a member of the "
    "socket's group, usually docker":
        "这个用户不能使用 {url}（{reason}）；请以 root 运行 capnet（sudo capnet …），"
        "或以套接字所属组（通常是 docker）的成员运行",
    "what answers there is something else": "那里应答的不是它",
    "what answers there is no Docker": "那里应答的不是 Docker",
    "the daemon closed the connection": "守护进程关闭了连接",
    "the daemon's answer is cut": "守护进程的应答不完整",
    "host {name}: Docker stopped answering ({reason:text})": "主机 {name}：Docker 不再应答（{reason}）",
    "Docker: the daemon does not answer any more": "Docker：守护进程不再应答",
    "dockerd of host {name} does not answer any more": "主机 {name} 的 dockerd 不再应答",
    "Docker: {reason:text}": "Docker：{reason}",
    # root on the host
    "this needs root, and sudo cannot be run ({reason:text}); {advice:text}":
        "这需要 root，而 sudo 无法运行（{reason}）；{advice}",
    "run capnet as root (sudo capnet …)": "请以 root 运行 capnet（sudo capnet …）",
    "{program} cannot be run ({reason:text}); install it, or look at PATH":
        "无法运行 {program}（{reason}）；请安装它，或检查 PATH",
    "no answer after {seconds} s: {command}": "{seconds} 秒后仍无应答：{command}",
    "no root here (sudo); {rest:text}": "这里没有 root（sudo）；{rest}",
    "no root there (sudo); {rest:text}": "那里没有 root（sudo）；{rest}",
    "the daemon is rootless, and its containers do not see the host's processes; run capnet on that machine, or name "
    "it ssh://USER@HOST/run/user/UID/docker.sock, with the daemon's user":
        "守护进程是 rootless 的，其容器看不到主机的进程；请在那台机器上运行 capnet，"
        "或写 ssh://USER@HOST/run/user/UID/docker.sock，用守护进程的用户",
    "the daemon is rootless, and no docker.pid beside {socket} names its process; run capnet on that machine, as the "
    "daemon's user":
        "守护进程是 rootless 的，{socket} 旁边没有 docker.pid 写明它的进程；请在那台机器上以守护进程的用户运行 capnet",
    "only a container of the daemon can look there: leave out --no-container":
        "只有该守护进程的容器能在那里查看：请去掉 --no-container",
    "Docker Desktop runs containers in a virtual machine": "Docker Desktop 在虚拟机中运行容器",
    "the daemon is not on this machine": "守护进程不在本机",
    "the daemon is rootless, and its namespaces are open to root and to its user only; name one of them: "
    "ssh://USER@HOST/…":
        "守护进程是 rootless 的，其命名空间只对 root 和它的用户开放；请写出其中一个用户：ssh://USER@HOST/…",
    "the daemon is rootless, and its namespaces are open to root and to its user only; run capnet as one of them":
        "守护进程是 rootless 的，其命名空间只对 root 和它的用户开放；请以其中之一运行 capnet",
    "run capnet as root (sudo capnet …), or leave out --no-container":
        "请以 root 运行 capnet（sudo capnet …），或去掉 --no-container",
    "{name}: a container runs what needs root, and is removed afterwards":
        "{name}：由一个容器执行需要 root 的操作，之后移除",
    "{name}: no root here (sudo); a container runs what needs root, and is removed afterwards":
        "{name}：这里没有 root（sudo）；由一个容器执行需要 root 的操作，之后移除",
    "{name}: no root there (sudo); a container runs what needs root, and is removed afterwards":
        "{name}：那里没有 root（sudo）；由一个容器执行需要 root 的操作，之后移除",
    "{name}: the daemon is not on this machine; a container runs what needs root, and is removed afterwards":
        "{name}：守护进程不在本机；由一个容器执行需要 root 的操作，之后移除",
    "{name}: Docker Desktop runs containers in a virtual machine; a container runs what needs root, and is removed "
    "afterwards":
        "{name}：Docker Desktop 在虚拟机中运行容器；由一个容器执行需要 root 的操作，之后移除",
    # the capture container and its image
    "no capture container can be started there: {reason:text}": "那里无法启动抓包容器：{reason}",
    "the archive holds no capture image of this version; make one with `capnet image save`":
        "归档中没有这个版本的抓包镜像；请用 `capnet image save` 制作",
    "the daemon runs containers of {system}, which capnet cannot capture":
        "守护进程运行 {system} 的容器，capnet 无法对其抓包",
    "the daemon has no capture image, and runs on {processor}, this machine on {own}; {advice:text}":
        "守护进程没有抓包镜像，且运行在 {processor} 上，而本机是 {own}；{advice}",
    "the daemon has no capture image, and none can be made here: {reason:text}; or {advice:text}":
        "守护进程没有抓包镜像，这里也无法制作：{reason}；或者{advice}",
    "make it on such a machine with `capnet image save -o capture.tar`, and bring it here: `capnet image load`":
        "在那样的机器上用 `capnet image save -o capture.tar` 制作，再拿到这里：`capnet image load`",
    "the daemon does not take the image: {reason:text}": "守护进程不接受这个镜像：{reason}",
    "load the image {tag}, made of this machine's programs ({size} MB)":
        "载入镜像 {tag}，由本机的程序制成（{size} MB）",
    "an archive is nothing to look at: name a file with -o, or pipe it: … | ssh node docker load":
        "归档不适合显示：请用 -o 写出文件名，或接上管道：… | ssh node docker load",
    "{tag}, {size} MB in {path}": "{tag}，{size} MB，写入 {path}",
    "{name}: no capture image is there": "{name}：没有抓包镜像",
    "this machine has no programs for Linux": "本机没有 Linux 的程序",
    "this machine lacks {names:list}; install them": "本机缺少 {names}；请安装",
    "{file} cannot be read ({reason:text}), which the image is to hold; make it as root: sudo capnet image build":
        "镜像要包含 {file}，但无法读取它（{reason}）；请以 root 制作：sudo capnet image build",
    "a program of this machine lacks its library {library}": "本机的一个程序缺少库 {library}",
    "ldd cannot be run ({reason:text}); install it (libc-bin)": "无法运行 ldd（{reason}）；请安装（libc-bin）",
    # ssh
    "ssh {target}: no answer after {seconds} s": "ssh {target}：{seconds} 秒后仍无应答",
    "ssh {target}: does not get through": "ssh {target}：连接不上",
    "ssh {target}: {reason:text}": "ssh {target}：{reason}",
    "{url}: ssh does not get through": "{url}：ssh 连接不上",
    # a swarm
    "--swarm {name}: the swarm has no overlay network of that name; it has {names:list}":
        "--swarm {name}：swarm 没有叫这个名称的 overlay 网络；现有 {names}",
    "--swarm: {name} is no manager of a swarm; name one with --host (docker node ls lists them)":
        "--swarm：{name} 不是 swarm 的管理节点；请用 --host 指定（docker node ls 会列出）",
    "{name} does not tell its nodes: {reason:text}": "{name} 不给出它的节点：{reason}",
    "{name}: not by ssh ({reason:text})": "{name}：不能经 ssh（{reason}）",
    "{names:list}: a task of service {service} leads there (to {address}:{port})":
        "{names}：经服务 {service} 的任务到达（到 {address}:{port}）",
    "{name}: load the image {tag}": "{name}：载入镜像 {tag}",
    "{name}: no way from here to {address}, its address in the swarm ({reason:text}); run capnet on a node of the "
    "swarm":
        "{name}：从这里到不了它在 swarm 中的地址 {address}（{reason}）；请在 swarm 的节点上运行 capnet",
    "openssl makes no certificate: {reason:text}": "openssl 无法生成证书：{reason}",
    "no port of {address} can be listened on: {reason:text}": "{address} 上没有可以监听的端口：{reason}",
    "the swarm starts no service: {reason:text}": "swarm 没有启动服务：{reason}",
    "{name} does not dial in within {seconds} s; it must reach {gate} by TCP, or be reached by ssh with a key":
        "{name} 在 {seconds} 秒内没有接入；它必须能经 TCP 到达 {gate}，或能用密钥经 ssh 到达",
    "{name} has no image {image}, and no registry has it: capnet image save | ssh {node} docker load":
        "{name} 没有镜像 {image}，镜像仓库也没有：capnet image save | ssh {node} docker load",
    "{name}: its Docker has no socket {socket} ({reason:text}); let ssh reach it":
        "{name}：它的 Docker 没有套接字 {socket}（{reason}）；请让 ssh 能到达它",
    "{name}: the task that leads there ended: {reason:text}; it must reach {gate} by TCP":
        "{name}：通往那里的任务已结束：{reason}；它必须能经 TCP 到达 {gate}",
}  # fmt: skip
