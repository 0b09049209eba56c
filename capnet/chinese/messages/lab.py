"""Errors and lines of `capnet lab`: two Docker hosts on this machine, also in User-Mode Linux."""

from __future__ import annotations

LAB_MESSAGES = {
    # what is done
    "the lab is up": "实验环境在运行",
    "the lab is down": "实验环境没有运行",
    "there is no lab": "没有实验环境",
    "removed": "已移除",
    "removed {what:text}": "已移除 {what}",
    "the lab is already up": "实验环境已在运行",
    "the lab is not whole; `capnet lab up` repairs it": "实验环境不完整；`capnet lab up` 会修复",
    "the lab is not whole: removing what is left of it, then making it anew":
        "实验环境不完整：移除剩余部分，然后重新建立",
    "removing the lab": "正在移除实验环境",
    "undoing what was made so far": "正在撤销已建立的部分",
    "up after {seconds} s": "已启动，用时 {seconds} 秒",
    "waiting for another capnet lab command that works in {folder}":
        "正在等待另一个在 {folder} 中执行的 capnet lab 命令",
    "waiting for another scenario that is being played in this lab": "正在等待在这个实验环境中运行的另一个场景",
    "kernel: uml (User-Mode Linux), because {kernel:text} lacks {names:list}":
        "内核：uml（User-Mode Linux），因为 {kernel} 缺少 {names}",
    "kernel: native, because {kernel:text} has {names:list}": "内核：native，因为 {kernel} 有 {names}",
    "this kernel ({release})": "本机的内核（{release}）",
    "starting User-Mode Linux {release}: a process, with this machine's files, without a network":
        "启动 User-Mode Linux {release}：一个进程，使用本机的文件，没有网络",
    "it answers; making the lab inside": "它已应答；在其中建立实验环境",
    "network {address}/{prefix}: a bridge, hosts A and B on it, no route out":
        "网络 {address}/{prefix}：一个网桥，其上有主机 A 和 B，没有出口路由",
    "starting a Docker daemon on each host": "在每台主机上启动 Docker 守护进程",
    "host {name} {address}: Docker {version} at {url}": "主机 {name} {address}：Docker {version}，位于 {url}",
    "image {image} on both, made from {busybox} (no registry is asked)":
        "两台主机都有镜像 {image}，由 {busybox} 制成（不询问镜像仓库）",
    "Docker of {names} starts again with {settings}": "{names} 的 Docker 以 {settings} 重新启动",
    "Docker of {names} starts again: it kept port {port} when it left a swarm":
        "{names} 的 Docker 重新启动：它离开 swarm 时没有释放端口 {port}",
    "kernel uml, {release}: a process with the hosts inside; reach them with capnet lab exec":
        "内核 uml，{release}：主机在一个进程中；用 capnet lab exec 进入",
    "{uses:text}. Remove it all the same?": "{uses}。仍要移除吗？",
    "{user} uses the lab": "{user} 正在使用实验环境",
    "{users} use the lab": "{users} 正在使用实验环境",
    "{uses:text}: wait until it has ended, or end it with `capnet lab down --force`":
        "{uses}：请等它结束，或用 `capnet lab down --force` 结束它",
    # what is lacking
    "the lab lacks {names:list}": "实验环境缺少 {names}",
    "the lab lacks {names:list}; apt-get install {packages}": "实验环境缺少 {names}；apt-get install {packages}",
    "the lab needs Linux: it is made of network namespaces": "实验环境需要 Linux：它由网络命名空间构成",
    "the lab needs root (use sudo)": "实验环境需要 root（使用 sudo）",
    "{folder} cannot be made ({reason:text}); choose another folder with {variable}":
        "无法建立 {folder}（{reason}）；请用 {variable} 选择其他文件夹",
    "{variable}: a path of more than {size} bytes leaves no room for the names of Docker's sockets; choose a shorter "
    "one":
        "{variable}：路径超过 {size} 字节，放不下 Docker 套接字的名称；请选择较短的路径",
    "{folder} is there but is not a lab's folder; choose another":
        "{folder} 已存在，但不是实验环境的文件夹；请另选一个",
    "{path} is not a lab's record ({reason:text}); look at it by hand":
        "{path} 不是实验环境的记录（{reason}）；请人工检查",
    # what is in the way
    "the lab is down or not whole; start or repair it: capnet lab up":
        "实验环境没有运行或不完整；请启动或修复：capnet lab up",
    "the lab has been removed meanwhile; start it anew: capnet lab up":
        "实验环境在此期间被移除了；请重新启动：capnet lab up",
    "the lab in {folder} was removed meanwhile": "{folder} 中的实验环境在此期间被移除了",
    "the lab that is up in {folder} runs kernel {kernel}, not {other}: end it with `capnet lab down`, or choose "
    "another folder with {variable}":
        "{folder} 中正在运行的实验环境使用内核 {kernel}，而不是 {other}：请用 `capnet lab down` 结束它，"
        "或用 {variable} 选择其他文件夹",
    "this shell is inside the lab; leave it first": "这个 shell 在实验环境之内；请先退出",
    "processes of the lab do not end: {pids}": "实验环境的进程没有结束：{pids}",
    "Docker of {names:list} does not end; repair the lab: capnet lab down, capnet lab up":
        "{names} 的 Docker 没有结束；请修复实验环境：capnet lab down，capnet lab up",
    "Docker of host {name} must start again with other settings, and {containers:list} runs there: stop it, or use "
    "another lab (CAPNET_LAB_DIR)":
        "主机 {name} 的 Docker 要以其他设置重新启动，而 {containers} 正在那里运行：请停止它，"
        "或使用另一个实验环境（CAPNET_LAB_DIR）",
    "dockerd of host {name} ended at once: {reason:text}": "主机 {name} 的 dockerd 立即结束了：{reason}",
    "dockerd of host {name} does not answer after {seconds} s: {reason:text}":
        "主机 {name} 的 dockerd 在 {seconds} 秒后仍不应答：{reason}",
    "the daemon of host {name} is down; repair the lab: capnet lab up":
        "主机 {name} 的守护进程没有运行；请修复实验环境：capnet lab up",
    "network namespace {name} exists already and is not in the lab's record; if nothing uses it, remove it: ip netns "
    "delete {same}":
        "网络命名空间 {name} 已存在，且不在实验环境的记录中；如果没有程序使用它，请移除：ip netns delete {same}",
    "{path} cannot be unmounted; the lab's folder stays": "无法卸载 {path}；实验环境的文件夹保留",
    "cgroup {folder} cannot be removed: something still runs in it": "无法移除 cgroup {folder}：其中仍有进程在运行",
    "{name} is played with this machine's kernel: capnet lab down, then again":
        "{name} 用本机的内核运行：请先 capnet lab down，再试一次",
    # User-Mode Linux
    "User-Mode Linux has ended; start the lab anew: capnet lab up --kernel uml":
        "User-Mode Linux 已结束；请重新启动实验环境：capnet lab up --kernel uml",
    "User-Mode Linux does not answer at {path} ({reason:text}); repair the lab: capnet lab up --kernel uml":
        "User-Mode Linux 在 {path} 上不应答（{reason}）；请修复实验环境：capnet lab up --kernel uml",
    "no lab in User-Mode Linux: {reason:text}": "User-Mode Linux 中没有实验环境：{reason}",
    "User-Mode Linux needs {size} MiB for its memory in /dev/shm or /tmp; set TMPDIR to a folder that has them":
        "User-Mode Linux 的内存需要 /dev/shm 或 /tmp 中有 {size} MiB；请把 TMPDIR 设为有此空间的文件夹",
    "{folder}: the kernel's command line takes no such path; choose plain letters":
        "{folder}：内核命令行不接受这样的路径；请只用普通字母",
    "User-Mode Linux ended at once: {reason:text}": "User-Mode Linux 立即结束了：{reason}",
    "User-Mode Linux does not answer after {seconds} s: {reason:text}":
        "User-Mode Linux 在 {seconds} 秒后仍不应答：{reason}",
    "User-Mode Linux does not end: {pids}": "User-Mode Linux 没有结束：{pids}",
    "User-Mode Linux cannot run on this processor: its kernel (before Linux 6.13) cannot save the AMX registers":
        "User-Mode Linux 无法在这个处理器上运行：它的内核（早于 Linux 6.13）无法保存 AMX 寄存器",
    "use a machine without AMX, or one whose own kernel has what is needed (--kernel native)":
        "请使用没有 AMX 的机器，或其内核具备所需功能的机器（--kernel native）",
}  # fmt: skip
