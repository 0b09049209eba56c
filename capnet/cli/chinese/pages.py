"""Help of the commands in Chinese: path of the command → (one line, page)."""

from __future__ import annotations

from capnet.cli.chinese.capture_pages import CAPTURE_PAGES
from capnet.cli.chinese.lab_pages import LAB_PAGES

PAGES = {
    "": (
        "",
        """看看容器网络对一个数据包做了什么。

\b
capnet demo                                  两分钟导览，不需要 Docker 和 root
capnet learn bridge                          以提问了解网络模型对包做了什么
capnet analyze saved.pcapng                  离线解读一次抓包
capnet ps                                    这个 veth、地址、MAC 是谁的
capnet capture web --report                  正在运行的容器发送了什么，止于哪里
capnet trace saved.pcapng --container web    逐跳查看流，去程和返回
capnet explain stops-between                 一条诊断的含义和处理
""",
    ),
    "analyze": (
        "解读一份抓包：什么失败、在哪里失败、谁与谁通信。",
        """解读抓包：谁与谁通信，什么被改写、封装、共享或丢失。

FILES 是 pcap 或 pcapng，可以是原样或经 gzip、zstd、lz4 压缩。多个文件是同一次抓包的多个抓包点；
不属于同一次的抓包，用表格各占一行。每个可以是：

\b
saved.pcapng         一个文件；抓包点是其中的接口，或文件名
A/ens33=one.pcap     一个文件及其抓包点的名称
web.pcap web.pcap1   循环文件（tcpdump -C、-W、-G，dumpcap -b）：一个抓包点，按时间顺序
captures/            一个文件夹：其中的每个抓包
-                    标准输入

第一屏说明什么失败、在哪里失败，画出主要路径，并说明谁与谁通信。--full 加上全部表格，--only 输出其中一部分。
管道和文件得到同样的文本，宽 100 列，除非设置了 COLUMNS。

退出码：0 正常，1 见 --fail-on，2 用法错误，3 输入不可读。
""",
    ),
    "trace": (
        "逐跳跟踪一条流或一个包。",
        """显示流的阶梯图，去程和返回：经过的每个抓包点，以及其间发生了什么。

FILES 的写法同 `capnet analyze`；多个文件是同一次抓包的多个抓包点。

\b
capnet trace bridge.pcapng --flow 'host 172.17.0.2 and port 80'
capnet trace A=left.pcap B=right.pcap --container web
capnet trace --frame bridge.pcapng:205

EXPRESSION：host、net、port、portrange，之前可加 src 或 dst；tcp、udp、icmp 和其他协议；ether host MAC；vni N；
point NAME；id N（ICMP）；and、or、not 和括号。容器、主机和 Compose 服务的名称可作 host。
EXPRESSION 在路径的任何一点成立，流就匹配，转换前后都算。Wireshark 的 ip.addr == … 和 tcp.port == … 也可以。

退出码：0 有流匹配，1 没有，2 用法错误，3 输入不可读。
""",
    ),
    "annotate": (
        "为 Wireshark 在每个抓包点标出同一个包。",
        """把 FILES 写成一个 pcapng，其中同一个包无论在哪里看到都有同样的 id。

Wireshark 把 id 显示为 frame.packet_id，把包自上一个抓包点以来的变化（改写、路由、封装）显示为注释。
帧及其顺序、注释和接口保持不变；加入地址的名称。多个文件按时间合并，各占一个接口。
FILES 的写法同 `capnet analyze`，但不能是标准输入。

\b
capnet annotate bridge.pcapng -o marked.pcapng && wireshark marked.pcapng
tshark -r marked.pcapng -T fields -e frame.packet_id -e frame.comment
""",
    ),
    "packet": (
        "逐层显示一帧。",
        """显示 FILE 的第 N 帧，与 Wireshark 一样从 1 计数。

先是 capnet 的解读，隧道所承载的内容在隧道之下，还有 pcapng 中的注释。然后，如果安装了 tshark，
是 Wireshark 自己解析的每个字段；离文件开头很远的帧单独解析。
""",
    ),
    "export": (
        "把帧、流或结论导出为 Parquet、CSV、JSON lines 或 Arrow。",
        """把 FILES 的一个表的所有行写给其他程序。列名见 docs/export.md。

FILES 的写法同 `capnet analyze`；多个文件是同一次抓包的多个抓包点。内存不随帧数增长。
Parquet 和 Arrow 需要附加组件：pip install 'capnet[export]'。

\b
capnet export bridge.pcapng -o frames.parquet
capnet export bridge.pcapng --table flows --flow 'host web and port 80' -o web.csv
capnet export *.pcapng --table findings --to jsonl -o - | jq .says
""",
    ),
    "sql": (
        "用 SQL 查询抓包（DuckDB）。",
        """用 SQL 查询 FILES。

表：frames、flows、conversations、protocols、nat、tunnels、stations、paths、findings、points。
入门查询见 docs/sql.md，列见 docs/export.md。

如果最后一个参数不是文件名，它就是 QUERY。没有 QUERY 且在终端上时，capnet 会请你输入查询。
FILES 的写法同 `capnet analyze`。需要附加组件：pip install 'capnet[sql]'。

\b
capnet sql overlay.pcapng "select vni, count(*) from frames group by 1"
capnet sql *.pcapng -f slow.sql --format json
capnet sql overlay.pcapng
""",
    ),
    "mcp": (
        "让智能体（agent）查询抓包（Model Context Protocol）。",
        """在标准输入和标准输出上提供 Model Context Protocol，直到标准输入结束。

这个命令由智能体启动；docs/mcp.md 说明如何登记。它的工具是 open、summary、trace、explain 和 compare。
它们只读取 FOLDER 之下的抓包，不写任何内容。指向外面的符号链接会被拒绝。
回答最多 2,000 个 token，指明帧，不含载荷，并把来自包的字符串标为数据。

\b
capnet mcp --folder captures
claude mcp add capnet -- capnet mcp --folder /srv/captures
""",
    ),
    "fleet": (
        "汇总成千上万份抓包，得出一个结论。",
        """逐份分析许多抓包，每份只分析一次，并给出总的报告。

CAPTURES 是文件夹、加引号的通配符、列表（.txt，或表示标准输入的 -：每行一项，也可用 find -print0）和文件。
同一个环的文件是一份抓包。中断或被终止后，同样的命令会接着做，只分析新的和改变了的抓包。读不了的抓包是报告中的一行。

FOLDER 中有每份抓包的报告，所有流、地址转换、诊断和模型的表，以及总的报告：哪些诊断在哪里、从何时起，
哪些容器在哪里，哪些抓包有共同的连接。

\b
capnet fleet captures/ -o fleet/
capnet fleet '/var/captures/**/*.pcap.zst' -o fleet/ --jobs 8 --to parquet
capnet fleet captures/ -o fleet/ --baseline last-week/fleet.json --fail-on error
find /mnt -name '*.pcap' | capnet fleet - -o fleet/ --format json
capnet fleet /nfs/captures -o /nfs/fleet --dask tcp://head:8786

退出码：0 正常，1 见 --fail-on，2 用法错误，3 没有一份抓包可读，130 被中断。
""",
    ),
    "compare": (
        "对比两次抓包，指出什么坏了。",
        """比较同一网络的两次抓包，GOOD 在出问题之前，BAD 在之后。

地址按名称比较，veth 按容器比较，网桥按网络比较，流按所请求的服务比较，因为 Docker 会重新分配其他内容。
第一句话说明什么坏了。随后是只在其中一份出现的诊断、流、路线、时延、地址转换、隧道、模型、ICMP 错误和内核规则。
GOOD 和 BAD 是抓包，或者文件夹，其中的抓包合为一次。

\b
capnet compare yesterday.pcapng today.pcapng
capnet compare good/ bad/ --format json
capnet compare good.pcapng bad.pcapng -o broke.html

退出码：0 没有新的失败，1 有新的失败，2 用法错误，3 输入不可读，或者没有包。
""",
    ),
    "reduce": (
        "缩减为仍能触发某条诊断的最小抓包，并匿名化。",
        """写出 FILES 中仍能得出一条诊断的最小部分：用来附在错误报告中。

只要分析仍然得出这条诊断，就去掉抓包点、会话和包。IP 地址、MAC 地址、名称和载荷都换成别的；
子网、私有或全局地址、端口、长度和时间不变，正确的校验和仍然正确。每一步的结果都重新分析以证明。
诊断需要拓扑或见证文件时，在 FILE 旁边写一份。docs/howto/bug-report.md 说明保留了什么。

\b
capnet reduce fault.pcapng --finding published-port-blocked -o small.pcapng
capnet reduce A=left.pcap B=right.pcap --finding stops-between -o small.pcapng --limit 300

退出码：0 已写出，1 没有地址和名称就得不出这条诊断，2 用法错误，3 输入不可读。
""",
    ),
    "explain": (
        "解释一条诊断或一种网络模型，或列出一个容器的全部情况。",
        """输出 FINDING 或 MODEL 的说明、CONTAINER 在抓包中的卡片，或所有诊断的列表。
MODEL 是网络模型，即报告标题里的 bridge、overlay、ptp 等。
FAULT 是 `capnet scenario fault list` 列出的故障，它的说明就是指出它的那条诊断的说明。

说明包括：这条诊断检查什么、给出什么结论、何时会误判、怎样处理，以及用主机上的哪些命令验证。
卡片包括：容器在哪里失败，谁从哪个端口访问它，它访问谁，对外显示为谁，查询哪些名称，
ICMP 告知的 MTU。
CONTAINER 是名称或地址。

\b
capnet explain stops-between
capnet explain bridge
capnet explain web saved.pcapng
""",
    ),
    "demo": (
        "两分钟导览，用 capnet 自带的抓包。",
        """在 capnet 自带的真实 Docker 网络的抓包上演示主要命令。

不需要 Docker、root 和网络，也不写入任何内容。每一步输出一条命令并运行它，你可以自己再运行一次。
在终端上，回车继续，q 结束。
""",
    ),
    "learn": (
        "通过问答学习一种网络模型怎样处理数据包。",
        """提问：在网络模型 MODEL 中包会怎样；并以这些包本身作为答案。

这些包录自真实的 Docker，随 capnet 提供：不需要 Docker、root 和网络。不写 MODEL 时列出所有课程。
正确答案来自录制时 Docker、ip 和 conntrack 的输出。

\b
capnet learn bridge
capnet learn overlay --lang zh
capnet learn bridge --answers 3,3,2,3,1
printf '3\\n3\\n2\\n3\\n1\\n' | capnet learn bridge

退出码：0 全部答对，1 有答错或没有回答的。
""",
    ),
    "completion": (
        "用 Tab 补全命令、文件和诊断。",
        """输出 SHELL 的补全脚本。

\b
bash   eval "$(capnet completion bash)"           写入 ~/.bashrc
zsh    eval "$(capnet completion zsh)"            写入 ~/.zshrc
fish   capnet completion fish > ~/.config/fish/completions/capnet.fish
""",
    ),
    "cache": (
        "显示或清除保存的已编译内核函数。",
        """显示已编译的内核函数保存在哪里、有多少、多大。

大的抓包由编译后的代码读取。对 x86-64 和 AArch64 上的 Linux，它随 capnet 提供。在其他平台上，第一次使用时编译
并保存，以后立即可用。每个版本的 capnet 编译自己的；旧的会保留，直到 `capnet cache clear` 清除。

文件夹是 XDG_CACHE_HOME 中的 capnet，否则是 ~/.cache/capnet。其中没有别的内容。
""",
    ),
    "cache clear": (
        "清除已编译的内核函数。",
        "清除已编译的内核函数。如果没有随 capnet 提供的，下一个大的抓包会重新编译。",
    ),
    **CAPTURE_PAGES,
    **LAB_PAGES,
}
