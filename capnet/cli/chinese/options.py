"""Options and headings of the help: English as the command has it, Chinese behind it."""

from __future__ import annotations

from capnet.analysis.core.contract.keys import SECTIONS

HEADINGS = {
    "Options": "选项",
    "Commands": "命令",
    "Scenarios": "场景",
    "Faults": "故障",
    "Arguments": "参数",
    # of the first page
    "Start here": "从这里开始",
    "A saved capture": "保存的抓包",
    "Running containers": "正在运行的容器",
    "A network to try things in": "用来试验的网络",
}

OPTIONS = {
    "Language of sentences, before or after the command. Default: CAPNET_LANG, the locale; of JSON: en.":
        "句子的语言，可写在命令之前或之后。默认：CAPNET_LANG、locale；JSON 默认 en。",
    "Show the version and exit.": "显示版本并退出。",
    "Show this message and exit.": "显示本说明并退出。",
    **{
        f"what the suffix of --output says, or {first}": f"由 --output 的后缀决定，否则 {first}"
        for first in ("table", "json", "csv", "parquet", "text")
    },
    # reading captures, and reports
    "A capture, named as for tcpdump -r and tshark -r.": "抓包文件，用法同 tcpdump 和 tshark。",
    "How to print.": "输出格式。",
    f"Report only these: {', '.join(SECTIONS)}.": f"只报告这些部分：{'、'.join(SECTIONS)}。",
    "Colours; auto: on a terminal, unless NO_COLOR is set.": "颜色；auto：在终端上使用，除非设置了 NO_COLOR。",
    "Do not start a pager (CAPNET_PAGER, PAGER).": "不启动分页程序（CAPNET_PAGER、PAGER）。",
    "Print all tables below the first screen.": "在第一屏之下输出全部表格。",
    "List N rows of each table, and N flows in JSON. Default: a screen or so of each; 100 flows in JSON.":
        "每个表格列出 N 行，JSON 中列出 N 条流。默认：便于阅读的行数；JSON 中 100 条流。",
    "Take FILES for one capture, also if they have no common time.": "把 FILES 视为一次抓包，即使时间没有重叠。",
    "Write the report to FILE (atomically).": "把报告写入 FILE（原子写入）。",
    "Who owns which address. Default: NAME.topology.json beside NAME.pcapng, when it is there.":
        "地址属于谁。默认：NAME.pcapng 旁边的 NAME.topology.json（如果有）。",
    "Who owns which address in all captures. Default: NAME.topology.json beside each, when it is there.":
        "所有抓包中地址属于谁。默认：每份抓包旁边的 NAME.topology.json（如果有）。",
    "A fleet.json of before: what it has too is no reason to --fail-on.":
        "以前的 fleet.json：其中已有的诊断不会触发 --fail-on。",
    "A UDP port that always is VXLAN; 4789 is, others are recognised by their contents.":
        "始终视为 VXLAN 的 UDP 端口；4789 本来就是，其他端口按内容识别。",
    "What the kernels say: rules, counters. Default: NAME.witnesses.json beside NAME.pcapng, when it is there.":
        "内核的记录：规则、计数器。默认：NAME.pcapng 旁边的 NAME.witnesses.json（如果有）。",
    "Exit with code 1 when there is a finding of this level or worse.": "有这一级别或更严重的诊断时，以退出码 1 结束。",
    "A report of an earlier run (--format json); --fail-on counts only findings that it lacks.":
        "以前用 --format json 得到的报告：其中已有的诊断不触发 --fail-on。",
    "The file is still being written: read on until Ctrl-C or SIGTERM, then report. On a terminal, tables of what it "
    "holds so far are shown meanwhile; `q` ends too.":
        "文件仍在写入：一直读到 Ctrl-C 或 SIGTERM，然后报告。在终端上同时显示目前内容的表格；"
        "按 `q` 也可结束。",
    "Reader threads (default: CPUs, at most 4). The report is the same.":
        "读取线程数（默认：CPU 数，最多 4）。报告相同。",
    # trace, annotate, packet, export, sql, explain
    "Which flows, in the words of pcap-filter; see above.": "选择哪些流，写法同 pcap-filter；见上。",
    "Exactly the packet in this frame; N alone with one file.": "正是这一帧中的包；只有一个文件时写 N 即可。",
    "The flows of this container (or host).": "这个容器（或主机）的流。",
    "The flows that were seen at this point: its name, interface or file.":
        "在这个抓包点看到的流：写它的名称、接口或文件。",
    "Limit to N flows.": "最多 N 条流。",
    "Write the capture to FILE (atomically); - is stdout.": "把抓包写入 FILE（原子写入）；- 是标准输出。",
    "Also dump the first 256 bytes.": "同时输出前 256 字节。",
    "Leave out Wireshark's dissection.": "省略 Wireshark 的解析。",
    "The format. Default: what the name of --output says.": "格式。默认：由 --output 的名称决定。",
    "What the rows are: frames, flows, conversations, protocols, nat, tunnels, stations, paths, findings, points.":
        "每一行是什么：frames、flows、conversations、protocols、nat、tunnels、stations、paths、findings、points。",
    "Only these flows; EXPRESSION is that of `capnet trace`.": "选择哪些流，写法同 `capnet trace`。",
    "IP addresses of frames, flows and conversations as text, or as 16 bytes each.":
        "帧、流和会话的 IP 地址写成文本，或各 16 字节。",
    "Write FILE (atomically); - is stdout.": "写入 FILE（原子写入）；- 是标准输出。",
    "The file with the query; - is standard input.": "查询语句所在的文件；- 表示标准输入。",
    "Which finding must stay.": "必须保留的诊断。",
    "Write this pcapng file.": "写入这个 pcapng 文件。",
    "End the search then, and write the smallest capture so far.": "搜索不超过这个时间；写出到那时最小的结果。",
    "Replace no addresses, names and payload.": "不替换地址、名称和载荷。",
    "Read captures below FOLDER only; may be given several times.": "只读取 FOLDER 之下的抓包；可多次给出。",
    "Where results go, and where the next run goes on.": "结果写在哪里；下次运行从那里继续。",
    "Captures analyzed at a time (default: CPUs).": "同时分析的抓包数（默认：CPU 数）。",
    "Scheduler of Dask: its workers analyze, and write results (tcp://host:8786).":
        "Dask 的调度器：由它的 worker 分析并写入结果（tcp://host:8786）。",
    "Format of the data set. Default: parquet where pyarrow is installed, else csv.":
        "数据集的格式。默认：装有 pyarrow 时为 parquet，否则为 csv。",
    # running hosts
    "Docker host: unix:///path, ssh://user@host or tcp://host:port (repeatable). Default: Docker's own environment and "
    "context.":
        "Docker 主机：unix:///path、ssh://user@host 或 tcp://host:port（可重复）。默认：Docker 自己的环境变量和 "
        "context。",
    "Without root: start no container that looks, and show what Docker and bridges tell every user.":
        "非 root 时：不启动用于查看的容器，只显示 Docker 和网桥对任何用户公开的内容。",
    "Only what is on this Docker network.": "只显示这个 Docker 网络上的内容。",
    "Do not ask a host: read a topology, or what `capnet topology --from` takes (repeatable).":
        "不查询主机：读取拓扑，或 `capnet topology --from` 所接受的内容（可重复）。",
    "Do not ask a host: read saved outputs, folders or tar archives of them.":
        "不查询主机：读取保存的输出，或其文件夹、tar 归档。",
    "Write to FILE (atomically).": "写入 FILE（原子写入）。",
    "How to write. Default: as -o FILE ends; text at a terminal, else json.":
        "输出格式。默认：由 -o FILE 的后缀决定；在终端上是 text，否则 json。",
    # capture
    "Containers on this Docker network.": "这个 Docker 网络上的容器。",
    "Containers of this Compose project.": "这个 Compose 项目的容器。",
    "Containers of this service (Compose, swarm).": "这个服务（Compose、swarm）的容器。",
    "This interface of the host, or any; works without Docker too.": "主机的这个接口，或 any；没有 Docker 也可用。",
    "All running containers.": "所有正在运行的容器。",
    "Containers on this overlay network, on all nodes of the swarm that --host manages.":
        "这个 overlay 网络上的容器，在 --host 所管理的 swarm 的所有节点上。",
    "Capture only what this pcap-filter lets pass.": "只抓这个 pcap-filter 放行的包。",
    "Put no interface into promiscuous mode, which hides faults of macvlan and virtual switches.": (
        "不把任何接口设为混杂模式：混杂模式会掩盖 macvlan 和虚拟交换机的故障。"
    ),
    "Where the packets go; - is standard output, with no rules and counters beside it. Default: a file in the current "
    "folder, named by the time.":
        "包写到哪里；- 是标准输出，旁边没有规则和计数器。默认：当前文件夹中以时间命名的文件。",
    "End after N packets of all points together.": "所有抓包点合计 N 个包后结束。",
    "Keep at most N bytes of each packet. Default: all.": "每个包最多保留 N 字节。默认：全部。",
    "Kernel buffer of each point, for packets that are not read yet; smaller where memory is short.":
        "每个抓包点的内核缓冲区：繁忙的机器尚未读取的部分。内存不足时减小。",
    "End after 90, 90s, 5m, 2h.": "在此时间之后结束：90、90s、5m、2h。",
    "Begin another file after N million bytes: NAME_00001_TIME.pcapng, …":
        "每 N 百万字节换一个文件：NAME_00001_TIME.pcapng……",
    "With -C: keep the newest N files.": "与 -C 一起：保留最新的 N 个文件。",
    "When it ends, print what `capnet analyze` says of the file, of a ring its newest.":
        "结束时输出 `capnet analyze` 对该文件的报告；环形文件取最新的。",
    "Ask the kernels which rule decides about each packet, and why they drop it.":
        "询问内核每个包由哪条规则决定，以及为什么丢弃。",
    "Write it there. Default: standard output.": "写到那里。默认：标准输出。",
    "Time between two looks; longer where one takes long.": "两次查看之间的时间；一次用时较长时会更长。",
    "The extcap program of all users, in Wireshark's global folder; needs root.":
        "所有用户的 extcap 程序，在 Wireshark 的全局文件夹中；需要 root。",
    # scenarios and the lab
    "Two Docker hosts made on this machine; removed afterwards unless `capnet lab up` made them.":
        "在本机建两台 Docker 主机；之后移除，除非它们由 `capnet lab up` 建立。",
    "Docker host A: unix:///path, ssh://user@host or tcp://host:port. Default: Docker's own environment and context.":
        "Docker 主机 A：unix:///path、ssh://user@host 或 tcp://host:port。默认：Docker 自己的环境变量和 context。",
    "Docker host B, where a scenario needs two.": "Docker 主机 B，用于需要两台的场景。",
    "Image of the containers.": "容器的镜像。",
    "Image of the containers; must have busybox's tools.": "容器的镜像；必须有 busybox 的工具。",
    "Where the captures go, and the topology of each.": "抓包及其拓扑写到哪里。",
    "Where the capture goes; its topology is written beside it.": "抓包写到哪里；其拓扑写在旁边。",
    "With --lab: this machine's kernel, or User-Mode Linux. auto: the first if it has what is needed.":
        "与 --lab 一起：本机的内核，或 User-Mode Linux。auto：前者具备所需时用前者。",
    "Capture only at this interface of every host, such as ens33 (repeatable). Default: all of the scenario's points.":
        "只在各主机的这个接口上抓包，例如 ens33（可重复）。默认：场景的全部抓包点。",
    "Leave containers and networks in place; `capnet scenario clean` removes them.":
        "保留容器和网络；`capnet scenario clean` 移除它们。",
    "Also what another machine's runs made, which may still be running.":
        "也包括另一台机器的运行所建的，它们可能仍在运行。",
    "Make the network on this machine; needed: a fault breaks it.": "在本机建网络；必需：故障会破坏它。",
    "Where NAME.pcapng, NAME.healthy.pcapng and their topologies go; FILE.healthy.pcapng beside FILE.pcapng.":
        "NAME.pcapng、NAME.healthy.pcapng 及其拓扑写到哪里；FILE.healthy.pcapng 在 FILE.pcapng 旁边。",
    "Also a lab that a scenario uses, without asking.": "也移除场景正在使用的实验环境，不询问。",
    "This machine's kernel, or User-Mode Linux. auto: the kernel of the lab that is up, else the first if a lab can be "
    "made with it.":
        "本机的内核，或 User-Mode Linux。auto：正在运行的实验环境的内核；没有时，若前者能建实验环境则用前者。",
    # learning
    "Do not wait for Enter after each step.": "每一步之后不等待回车。",
    "Answer with these numbers and do not ask; - is no answer.": "用这些数字回答，不再提问；- 是没有回答。",
    "Language. Default: zh if LANG is Chinese, else en.": "语言。默认：LANG 为中文时 zh，否则 en。",
}  # fmt: skip
