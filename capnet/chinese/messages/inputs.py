"""Errors of captures and other files that are read, and of flow expressions."""

from __future__ import annotations

INPUT_MESSAGES = {
    # captures
    "{folder}: no capture in this folder ({patterns})": "{folder}：文件夹中没有抓包文件（{patterns}）",
    "{path}: {reason:text}; nearest: {names:list}": "{path}：{reason}；最接近的：{names}",
    "{name} is a finding: for its page, leave out the captures": "{name} 是诊断：要看其说明，请去掉抓包文件",
    "no capture: the list of sources is empty": "没有抓包文件：来源列表是空的",
    "{path}: is no name of a file": "{path}：不是文件名",
    "{path}: is closed; read it inside the `with` block": "{path}：已关闭；请在 `with` 块内读取",
    "{path}: its frames were read, which is done once; open it again, or take capnet.tables(FILE)['frames']":
        "{path}：帧只能读取一次，已经读过；请重新打开，或使用 capnet.tables(FILE)['frames']",
    "this block was overwritten by the next one: copy what you need while it is the current one, such as "
    'block["ttl"], pyarrow.record_batch(block), or take capture.frames()':
        "这个块已被下一个块覆盖：请在它是当前块时复制所需内容，如 block[\"ttl\"]、pyarrow.record_batch(block)，"
        "或使用 capture.frames()",
    "{name} is 1 or more, not {number}": "{name} 至少为 1，不能是 {number}",
    "vxlan_port is a UDP port, 1 to {most}, or 0 for none, not {number}":
        "vxlan_port 是 UDP 端口，1 到 {most}，0 表示没有，不能是 {number}",
    "the capture was a stream, whose frames cannot be read again; save it to a file first":
        "抓包是从流中读取的，其中的帧无法再次读取；请先保存为文件",
    "{path}: is a link to {target}, which is not there": "{path}：是指向 {target} 的链接，而目标不存在",
    "{path}: there is no such file": "{path}：没有这个文件",
    "{path}: has no frame {number}": "{path}：没有第 {number} 帧",
    "{name} is none of the inputs": "{name} 不在输入文件之中",
    "the file is empty": "文件是空的",
    "standard input is empty": "标准输入是空的",
    "the {method} stream is damaged where it begins: {reason:text}": "{method} 压缩流在开头就已损坏：{reason}",
    "compressed twice; unpack it once": "压缩了两次；请解压一次",
    "compressed with {method}, which capnet does not read; unpack it: {program} -dc FILE | capnet analyze -":
        "经 {method} 压缩，capnet 不能读取；请先解压：{program} -dc FILE | capnet analyze -",
    "a zip archive; unpack it: unzip FILE": "是 zip 归档；请先解包：unzip FILE",
    "neither pcap nor pcapng (capnet reads these, plain or gzip, zstd, lz4)":
        "既不是 pcap 也不是 pcapng（capnet 读取这两种，可以是原样或经 gzip、zstd、lz4 压缩）",
    "{path}: is compressed with {method}; pip install {library}": "{path}：经 {method} 压缩；pip install {library}",
    "the file became shorter than what was read of it; what it holds now is something else":
        "文件变得比已读的部分还短；现在的内容是别的东西",
    "a pcap header is {size} bytes, the file ends after {end}":
        "pcap 文件头为 {size} 字节，而文件在 {end} 字节后就结束了",
    "pcap version {major}.{minor} is unknown (2.x is)": "未知的 pcap 版本 {major}.{minor}（已知的是 2.x）",
    "section header block with byte-order magic {magic}": "段头块的字节序标志是 {magic}",
    "interface description block shorter than 20 bytes": "接口描述块不足 20 字节",
    "interface statistics block shorter than 24 bytes": "接口统计块不足 24 字节",
    "its first block is damaged: {problem:text}": "第一个块已损坏：{problem}",
    "{file} has other interfaces than the file before it": "{file} 的接口与前一个文件不同",
    "{file} begins before the file before it ends": "{file} 在前一个文件结束之前就开始了",
    "{file} begins long after the file before it ends": "{file} 在前一个文件结束很久之后才开始",
    "the input has changed while it was read; annotate it when it is complete":
        "输入文件在读取期间改变了；请在它完整之后再标注",
    "{path}: has packets without a time (simple packet blocks), which cannot be merged with others; annotate this file "
    "alone":
        "{path}：其中有没有时间的包（简单包块），无法与其他文件合并；请单独标注这个文件",
    "tshark is not installed; it comes with Wireshark (Debian: apt install tshark)":
        "没有安装 tshark；它随 Wireshark 提供（Debian：apt install tshark）",
    "tshark could not show this frame: {reason:text}": "tshark 无法显示这一帧：{reason}",
    "it has no such frame": "没有这一帧",
    "neither tshark nor wireshark is installed (Debian: apt install wireshark tshark)":
        "没有安装 tshark 和 wireshark（Debian：apt install wireshark tshark）",
    "not a MAC address: {text}": "不是 MAC 地址：{text}",
    "not an IP address: {text}": "不是 IP 地址：{text}",
    "{text} is no MAC address": "{text} 不是 MAC 地址",
    # JSON: topologies, witnesses, reports
    "{path}: longer than {size} MiB, which no {kind:word} is": "{path}：超过 {size} MiB，不会是{kind}",
    "{path}: not JSON ({reason:text})": "{path}：不是 JSON（{reason}）",
    "{path}: not a {kind:word} (no schema {schema})": "{path}：不是{kind}（没有 schema {schema}）",
    "{path}: not as {schema} has it ({reason:text})": "{path}：不符合 {schema}（{reason}）",
    "{key} of a {kind:word} is {value}": "{kind}的 {key} 是 {value}",
    "{name}.pcapng did not come with this capnet: install the wheel again, or use a checkout":
        "这个 capnet 没有带 {name}.pcapng：请重新安装 wheel，或使用代码库",
    # damage
    "the file ends {number} bytes into a record": "文件在一条记录的第 {number} 字节处结束",
    "nothing behind this could be read: {reason:text}": "此后的内容都无法读取：{reason}",
    "the compressed stream is damaged: {reason:text}": "压缩流已损坏：{reason}",
    "another file has the name of the one that was followed; that one was not read":
        "跟踪的文件名现在属于另一个文件；没有读取那个文件",
    "an option, a name or a frame in this block is longer than what is left of the block. What there is of it was "
    "read, and so was all behind the block; Wireshark reads no further":
        "这个块中的选项、名称或帧超出了块的剩余部分。现有的部分已读取，块之后的内容也已读取；Wireshark 读到此为止",
    "what begins here cannot be a record; nothing behind it was read": "从这里开始的不是记录；此后的内容没有读取",
    "what begins here cannot be a record; {skipped} bytes further on, at offset {offset}, {number} records in a row "
    "begin, and reading went on there. Wireshark does not: frames from number {frame} on have it here alone":
        "从这里开始的不是记录；再往后 {skipped} 字节，在偏移 {offset} 处有连续 {number} 条记录，读取从那里继续。"
        "Wireshark 不会继续：从第 {frame} 帧起的帧号只在这里有",
    "names of more than {number} addresses, or too many of one, are left out":
        "略去了 {number} 个以上地址的名称，或一个地址过多的名称",
    "host {names:list}, {number} container": "主机 {names}，{number} 个容器",
    "host {names:list}, {number} containers": "主机 {names}，{number} 个容器",
    "{damage:text}; nothing behind it was read": "{damage}；此后的内容没有读取",
    "section number {number}; nothing behind it was read": "第 {number} 个段；此后的内容没有读取",
    "interface number {number}; nothing behind it was read": "第 {number} 个接口；此后的内容没有读取",
    "a block of {number} bytes; nothing behind it was read": "一个 {number} 字节的块；此后的内容没有读取",
    "a block whose two lengths differ; nothing behind it was read": "一个前后两个长度不一致的块；此后的内容没有读取",
    "a section of pcapng version {major}.{minor} (1.0 is known)": "pcapng 版本为 {major}.{minor} 的段（已知的是 1.0）",
    "{reason:text}; the report goes without names from it": "{reason}；报告中没有它的名称",
    "{reason:text}; rules and counters are not compared": "{reason}；不比较规则和计数器",
    "{described:text}: no address or MAC in common with the capture; it is not used":
        "{described}：与抓包没有相同的地址或 MAC；不使用它",
    "host {names:list} was surveyed {days} days {when:word} the capture: containers may have had other addresses":
        "主机 {names} 是在抓包{when} {days} 天调查的：容器当时的地址可能不同",
    "host {names:list} was surveyed {days} day {when:word} the capture: containers may have had other addresses":
        "主机 {names} 是在抓包{when} {days} 天调查的：容器当时的地址可能不同",
    "hosts {names:list} were surveyed {days} days {when:word} the capture: containers may have had other addresses":
        "主机 {names} 是在抓包{when} {days} 天调查的：容器当时的地址可能不同",
    "hosts {names:list} were surveyed {days} day {when:word} the capture: containers may have had other addresses":
        "主机 {names} 是在抓包{when} {days} 天调查的：容器当时的地址可能不同",
    # outputs that were saved on other hosts
    "{path}: write --from before files to read; without it, running hosts are asked":
        "{path}：要读取文件请先写 --from；没有它则询问正在运行的主机",
    "--from reads files and --host asks hosts: leave one of them out": "--from 读取文件，--host 询问主机：只能用一个",
    "not used: {path}: {reason:text}": "未使用：{path}：{reason}",
    "host {name}: not seen: {what:text}: {reason:text}": "主机 {name}：未能看到：{what}：{reason}",
    "{path}: not a tar archive ({reason:text})": "{path}：不是 tar 归档（{reason}）",
    "{path}: more than {number} files; name the folders of single hosts":
        "{path}：超过 {number} 个文件；请写出单个主机的文件夹",
    "{path}: more than {number} MiB; name the folders of single hosts":
        "{path}：超过 {number} MiB；请写出单个主机的文件夹",
    "empty": "空文件",
    "JSON of an unknown kind": "未知类型的 JSON",
    "a text of an unknown kind": "未知类型的文本",
    "not JSON ({reason:text})": "不是 JSON（{reason}）",
    "a damaged topology ({reason:text})": "损坏的拓扑（{reason}）",
    "output of ip without -j: save `ip -j -d address`": "没有用 -j 的 ip 输出：请保存 `ip -j -d address`",
    "{names}: nothing that Docker, ip, iptables-save, nft, conntrack or sysctl printed":
        "{names}：没有 Docker、ip、iptables-save、nft、conntrack 或 sysctl 的输出",
    "{names}: not as Docker and ip print it ({reason:text})": "{names}：与 Docker 和 ip 的输出格式不符（{reason}）",
    # flow expressions
    "flow expression at character {number}: {shown}: {reason:text}": "流表达式第 {number} 个字符处：{shown}：{reason}",
    "a flow expression of {number} words; {most} are understood": "流表达式有 {number} 个词；最多 {most} 个",
    "a flow expression is empty; try: host 172.17.0.2 and port 80": "流表达式是空的；例如：host 172.17.0.2 and port 80",
    'expected "and" or "or" before it': '之前应有 "and" 或 "or"',
    "expected host, port, a protocol or the like": "此处应是 host、port、协议等",
    "expected an address, a name, host, net or port after {word}": "{word} 之后应是地址、名称、host、net 或 port",
    "expected a value": "此处应有一个值",
    "expected { after in": "in 之后应有 {",
    "expected , or }": "此处应是 , 或 }",
    "expected a value for {kind} here": "此处应是 {kind} 的值",
    "expected a value after {word}": "{word} 之后应有一个值",
    "expected src, dst or host after ether": "ether 之后应是 src、dst 或 host",
    "expected a MAC address": "此处应是 MAC 地址",
    "expected a MAC address after ether host": "ether host 之后应是 MAC 地址",
    "expected a mask such as 255.255.0.0": "此处应是掩码，如 255.255.0.0",
    "is never closed": "没有闭合",
    "{word} is never closed": "{word} 没有闭合",
    "closes what was never opened": "没有对应的左括号",
    "{word} closes what was never opened": "{word} 没有对应的左括号",
    "has nothing before it to combine with": "之前没有可以组合的条件",
    "{word} has nothing before it to combine with": "{word} 之前没有可以组合的条件",
    "is inside of {depth} others": "嵌套在 {depth} 层之内",
    "{word} is inside of {depth} others": "{word} 嵌套在 {depth} 层之内",
    "is half an operator; write {operator}": "只是半个运算符；请写 {operator}",
    "{word} is half an operator; write {operator}": "{word} 只是半个运算符；请写 {operator}",
    "is no address; {hint:text}": "不是地址；{hint}",
    "{word} is no address; {hint:text}": "{word} 不是地址；{hint}",
    "write net for a network": "网络请写 net",
    "its numbers go to 255": "各段最大 255",
    "is a range; write portrange": "是范围；请写 portrange",
    "{word} is a range; write portrange": "{word} 是范围；请写 portrange",
    "the first port is above the last": "起始端口大于结束端口",
    "{word} the first port is above the last": "{word} 的起始端口大于结束端口",
    "is not {what:text} ({low} to {high})": "不是{what}（{low} 到 {high}）",
    "{word} is not {what:text} ({low} to {high})": "{word} 不是{what}（{low} 到 {high}）",
    "an ICMP echo identifier": " ICMP echo 标识符",
    "an IP protocol": " IP 协议号",
    "a port number": "端口号",
    "a VNI": " VNI", "a VLAN": " VLAN", "a key": " key",
    "is no network; write it as 172.17.0.0/16": "不是网络；请写成 172.17.0.0/16",
    "{word} is no network; write it as 172.17.0.0/16": "{word} 不是网络；请写成 172.17.0.0/16",
    "is no MAC address; write it as 02:42:ac:11:00:02": "不是 MAC 地址；请写成 02:42:ac:11:00:02",
    "{word} is no MAC address; write it as 02:42:ac:11:00:02": "{word} 不是 MAC 地址；请写成 02:42:ac:11:00:02",
    "{word} is no word of flow expressions; put a name after host": "{word} 不是流表达式的词；名称请写在 host 之后",
    "{word} is no word of flow expressions; {similar}?": "{word} 不是流表达式的词；是不是 {similar}？",
    "{word} is several points: {names:list}": "{word} 可以是多个抓包点：{names}",
    "{word} is no field of flow expressions; they have {names:list} and others of addresses and ports":
        "{word} 不是流表达式的字段；可用 {names} 等地址和端口的字段",
    "--point {word}: {reason:text}": "--point {word}：{reason}",
    "names no point; there are {names:list}": "没有这个抓包点；现有 {names}",
    "is several points: {names:list}": "可以是多个抓包点：{names}",
    "{word} names no point; there are {names:list}": "没有抓包点 {word}；现有 {names}",
    "no station has this name; {hint:text}": "没有站点叫这个名称；{hint}",
    "the word {word}? {hint:text}": "是不是 {word} 这个词？{hint}",
    "known: {names:list}": "已知：{names}",
    "no names are known: give --topology, or a capture with a name resolution block":
        "没有已知的名称：请给出 --topology，或带有名称解析块的抓包",
    "{name} has no address (network mode {mode})": "{name} 没有地址（网络模式 {mode}）",
    "{name} has no address: by its topology it is in a network of its own that is another's":
        "{name} 没有地址：按拓扑，它在另一个容器的网络中",
    "{name} has no address of its own: it runs in the network of host {host}; try host {other}":
        "{name} 没有自己的地址：它使用主机 {host} 的网络；可用 host {other}",
    # what is wrong with captures that do not belong together
    "the filter {text} begins with -: options belong before the filter":
        "过滤器 {text} 以 - 开头：选项应写在过滤器之前",
    "two filters: {text} and -f {filter}; give one, joined by `and`":
        "有两个过滤器：{text} 和 -f {filter}；请用 `and` 合成一个",
}  # fmt: skip
