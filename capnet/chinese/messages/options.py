"""Errors in options and arguments: what the person at the keyboard writes otherwise."""

from __future__ import annotations

OPTION_MESSAGES = {
    # the command line
    "there is no command {name}, nor a file: {hint:text}": "没有命令 {name}，也没有这个文件：{hint}",
    "did you mean {name}?": "是不是 {name}？",
    "did you mean {name} or {second}?": "是不是 {name} 或 {second}？",
    "did you mean {name} or {second} or {third}?": "是不是 {name}、{second} 或 {third}？",
    "`capnet --help` lists them": "`capnet --help` 会列出",
    "`capnet explain` lists them": "`capnet explain` 会列出",
    "--lang {value}: choose from {names:list}": "--lang {value}：可选 {names}",
    "interrupted": "已中断",
    "standard output cannot be written ({reason:text})": "无法写入标准输出（{reason}）",
    "standard output is closed; open it, or write to a file with --output FILE":
        "标准输出已关闭；请打开它，或用 --output FILE 写入文件",
    "- (standard input) can be given once": "-（标准输入）只能写一次",
    "- reads a capture from standard input, but that is closed; pipe one in":
        "- 从标准输入读取抓包，而它已关闭；请用管道送入",
    "- reads a capture from standard input, but that is a terminal; pipe one in":
        "- 从标准输入读取抓包，而它是终端；请用管道送入",
    "- reads a capture from standard input: pipe one in": "- 从标准输入读取抓包：请用管道送入",
    "an empty name is no file; is a variable empty?": "空的名称不是文件；是不是有变量为空？",
    "{name} is given twice, and is read once": "{name} 给出了两次，只读一次",
    "{name} is the same capture as {first}, and is read once": "{name} 与 {first} 是同一份抓包，只读一次",
    "empty, and left out: {names:list}": "空文件，不读：{names}",
    "{given}: write NAME=FILE, both of them": "{given}：请写 NAME=FILE，两者都要",
    "{given}: a folder holds several points; name its files one by one":
        "{given}：文件夹中有多个抓包点；请逐个写出文件",
    # where output goes
    "{path}: is a folder; name a file in it": "{path}：是文件夹；请写出其中的文件名",
    "{path}: is the input, which annotate never overwrites; choose another name":
        "{path}：就是输入文件，annotate 从不覆盖它；请换一个名称",
    "{path}: is the input, which export never overwrites; choose another name":
        "{path}：就是输入文件，export 从不覆盖它；请换一个名称",
    "{path}: annotate writes plain pcapng; call it .pcapng and compress it afterwards":
        "{path}：annotate 写出未压缩的 pcapng；请以 .pcapng 命名，之后再压缩",
    "-o - would write a capture to the terminal; name a file, or pipe it on":
        "-o - 会把抓包写到终端上；请写出文件名，或接上管道",
    "-o - would write {format} to the terminal; name a file, or pipe it on":
        "-o - 会把 {format} 写到终端上；请写出文件名，或接上管道",
    "{path}: would write a capture to the terminal; name a file": "{path}：会把抓包写到终端上；请写出文件名",
    "{path}: cannot be written ({reason:text})": "{path}：无法写入（{reason}）",
    "{path}: cannot be read ({reason:text})": "{path}：无法读取（{reason}）",
    "{path}: cannot be removed ({reason:text})": "{path}：无法移除（{reason}）",
    "cannot write {path}: {reason:text}": "无法写入 {path}：{reason}",
    "is a symbolic link that another user made": "是其他用户建立的符号链接",
    "is there and is no regular file": "已存在，且不是普通文件",
    "--output {path}: this command writes {formats:list}, not {format}":
        "--output {path}：这个命令写出 {formats}，不写 {format}",
    "--format {format} and --output {path} contradict each other: name the file otherwise":
        "--format {format} 与 --output {path} 相互矛盾：请另取文件名",
    "--to {format} and --output {path} contradict each other: name the file otherwise":
        "--to {format} 与 --output {path} 相互矛盾：请另取文件名",
    "{path}: its topology would have the name of that of {capture}; choose another name":
        "{path}：它的拓扑会与 {capture} 的拓扑同名；请另取文件名",
    "--output {path}: reports are not compressed; leave it out, and pipe into a compressor":
        "--output {path}：报告不压缩；请去掉它，再用管道交给压缩程序",
    "--output {path} names no format; say --to with one of {formats:list}":
        "--output {path} 没有说明格式；请用 --to 指定：{formats}",
    "--output {path}: export compresses no files; write to - and pipe it into a compressor":
        "--output {path}：export 不压缩文件；请写到 -，再用管道交给压缩程序",
    "there is no section {name}; choose from {names:list}": "没有小节 {name}；可选 {names}",
    "there is no report format {name}; choose from {formats:list}": "没有报告格式 {name}；可选 {formats}",
    "there is no home folder, so no compiled kernels are kept; set HOME or XDG_CACHE_HOME":
        "没有主目录，因此不保存编译好的代码；请设置 HOME 或 XDG_CACHE_HOME",
    "compiling the decoder, once per machine: some 20 s": "正在编译解码器，每台机器一次：约 20 秒",
    "the compiled code cannot be kept in {folder} ({reason:text}), so each run compiles it again: set XDG_CACHE_HOME "
    "to a folder that can be written":
        "编译好的代码无法保存在 {folder}（{reason}），因此每次运行都重新编译：请把 XDG_CACHE_HOME 设为可写的文件夹",
    "the compiled code cannot be kept ({reason:text}), so each run compiles it again: set XDG_CACHE_HOME to a folder "
    "that can be written":
        "编译好的代码无法保存（{reason}），因此每次运行都重新编译：请把 XDG_CACHE_HOME 设为可写的文件夹",
    "there is no home folder": "没有主目录",
    "{packets:text}, {size} MB": "{packets}，{size} MB",
    "{packets:text}, {share} %, about {seconds} s left": "{packets}，{share} %，还需约 {seconds} 秒",
    "{folder}: removed {amount}": "{folder}：已移除 {amount}",
    # analyze, compare, explain, learn
    "name a capture: capnet analyze FILES…": "请写出抓包文件：capnet analyze FILES…",
    "--follow reads one file": "--follow 只读一个文件",
    "--follow reads one file; what is piped in is read to its end without it":
        "--follow 只读一个文件；管道送入的内容不用它也会读到末尾",
    "--only needs at least one of {sections:list}": "--only 至少需要其中之一：{sections}",
    "--only {word}: there is no such section; {hint:text}": "--only {word}：没有这个部分；{hint}",
    "choose from {sections:list}": "可选 {sections}",
    "{reason:text}; analyze them one by one, or take them for one capture by --together":
        "{reason}；请逐个分析，或用 --together 视为一次抓包",
    "{path}: a report without findings; name the fleet.json that capnet fleet wrote, whole":
        "{path}：报告中没有诊断；请给出 capnet fleet 写出的完整的 fleet.json",
    "{path}: a report without findings; write it with `capnet analyze --format json`, whole":
        "{path}：报告中没有诊断；请用 `capnet analyze --format json` 写出完整的报告",
    "no station is called {name} in these captures": "这些抓包中没有名为 {name} 的站点",
    "they name {names:list}": "其中有 {names}",
    "it is the Compose service of {names:list}": "它是 {names} 的 Compose 服务",
    "no station is called {name} in these captures; {hint:text}": "这些抓包中没有名为 {name} 的站点；{hint}",
    "nearest: {names:list}": "最接近的：{names}",
    "there is no finding {name}: {hint:text}": "没有诊断 {name}：{hint}",
    "it is a network model; see {lesson}`capnet scenario {model} --help`":
        "它是一种网络模型；参见 {lesson}`capnet scenario {model} --help`",
    "for a container, add its capture: capnet explain {name} FILE":
        "如果指容器，请同时写出抓包文件：capnet explain {name} FILE",
    "there is no lesson {name}: {hint:text}": "没有课程 {name}：{hint}",
    "`capnet learn` lists them": "`capnet learn` 会列出",
    "--answers has {given}, and the lesson has {number} questions":
        "--answers 中有 {given} 个回答，而课程有 {number} 个问题",
    "--answers: {word} is no number of a choice; - is no answer": "--answers：{word} 不是选项的编号；- 表示不回答",
    "--answers: {word} is none of the choices, which are 1 to {number}":
        "--answers：{word} 不在选项之中，选项是 1 到 {number}",
    "\n-- Enter goes on, q ends -- ": "\n-- 按 Enter 继续，按 q 结束 -- ",
    "watch draws on a terminal; `capnet analyze FILE` prints a report once":
        "watch 在终端上绘制；`capnet analyze FILE` 输出一次报告",
    # trace, packet, annotate, export, sql
    "choose one of --flow, --frame, --container and --point": "--flow、--frame、--container、--point 只能选一个",
    "name a capture: capnet trace FILES…, or --frame FILE:N": "请写出抓包文件：capnet trace FILES…，或 --frame FILE:N",
    "--frame {given}: write FILE:N, N counted from 1 as Wireshark counts":
        "--frame {given}：请写 FILE:N，N 从 1 数起，与 Wireshark 一致",
    "--frame {given}: which file? write FILE:{number}": "--frame {given}：哪个文件？请写 FILE:{number}",
    "--frame {given}: {file} is more than one of the inputs: {names:list}":
        "--frame {given}：{file} 可以是多个输入文件：{names}",
    "--frame {given}: {file} is in none of the inputs: {names:list}": "--frame {given}：输入文件中没有 {file}：{names}",
    "--frame {given}: {file} {place}: {names:list}": "--frame {given}：{file} {place}：{names}",
    "{value} is no length of time: 90, 90s, 5m, 2h": "{value} 不是时长：90、90s、5m、2h",
    "{value} is neither a number of rows nor all": "{value} 既不是行数也不是 all",
    "--frame reads the capture twice, which standard input cannot be; save it first":
        "--frame 要读两遍抓包，标准输入做不到；请先保存",
    "--flow with frames reads the capture twice, which standard input cannot be; save it first":
        "对帧使用 --flow 要读两遍抓包，标准输入做不到；请先保存",
    "standard input can be read once, and this needs it twice; save it to a file first":
        "标准输入只能读一遍，而这里要读两遍；请先保存为文件",
    "capnet mcp talks to an agent on standard input and output; docs/mcp.md says how to register it":
        "capnet mcp 在标准输入和输出上与智能体对话；如何注册见 docs/mcp.md",
    "{name}: is read twice, which a stream cannot be; save it first": "{name}：要读两遍，流做不到；请先保存",
    "- (standard input) cannot be annotated: the capture is read twice; save it first":
        "-（标准输入）无法标注：抓包要读两遍；请先保存",
    "--container {name}: no station has this name; {hint:text}": "--container {name}：没有站点叫这个名称；{hint}",
    "{path}: there is no frame {number}; {why:text}": "{path}：没有第 {number} 帧；{why}",
    "{path}: there is no frame {number}; {why:text}; {damage:text}": "{path}：没有第 {number} 帧；{why}；{damage}",
    "the last one is {last}": "最后一帧是 {last}",
    "the capture has none": "抓包中没有帧",
    "{path}: frame {number} is no packet, but a pcapng block of another kind":
        "{path}：第 {number} 帧不是包，而是其他类型的 pcapng 块",
    "{path}: frame {number} cannot be followed: {reason:text}; see capnet packet {file} {frame}":
        "{path}：第 {number} 帧无法跟踪：{reason}；见 capnet packet {file} {frame}",
    "too little of it was captured": "抓到的部分太少",
    "it is no IP packet": "它不是 IP 包",
    "{written} written, {ids} with an id, {comments} with a comment":
        "写入 {written}，其中 {ids} 带有 id，{comments} 带有注释",
    "{written} written, {ids} with an id, {comments} with a comment; 1 in {step} packets was compared, and the first "
    "one of every flow":
        "写入 {written}，其中 {ids} 带有 id，{comments} 带有注释；每 {step} 个包比较一个，以及每条流的第一个",
    "{number} packet": "{number} 个包", "{number} packets": "{number} 个包",
    "name a capture: capnet reduce FILES… --finding NAME -o FILE":
        "请写出抓包文件：capnet reduce FILES… --finding NAME -o FILE",
    "--output {path}: annotate writes pcapng; name it {stem}.pcapng":
        "--output {path}：annotate 写出 pcapng；请命名为 {stem}.pcapng",
    "--output {path}: reduce writes pcapng; name it {stem}.pcapng":
        "--output {path}：reduce 写出 pcapng；请命名为 {stem}.pcapng",
    "{path}: is the input, which reduce never overwrites; choose another name":
        "{path}：就是输入文件，reduce 从不覆盖它；请换一个名称",
    "reduce reads the capture several times, which standard input cannot be; save it first":
        "reduce 要读多遍抓包，标准输入做不到；请先保存",
    "--finding {name}: the capture does not have it; its findings: {names:list}":
        "--finding {name}：抓包中没有这条诊断；现有：{names}",
    "{packets:text} at {points:text} have the finding": "{points}的 {packets}有这条诊断",
    "{points:text} with {packets:text} are enough": "{points}、{packets}就够了",
    "{number} point": "{number} 个抓包点", "{number} points": "{number} 个抓包点",
    "{name} is not told of the packets that were tried: of a capture with more than {frames}, only those that have an "
    "address of its evidence, if they are fewer":
        "在试过的数据包中得不出 {name}：抓包超过 {frames} 个数据包时，只试带有其证据中地址的数据包，且这些数据包要更少",
    "{name} is not told of all packets in a new file: it is about the file, or about what is told of it, and not about "
    "packets; nothing was written. Hand on the file itself":
        "把全部数据包写进新文件后得不出 {name}：它说的是文件本身或文件中记录的信息，而不是数据包；没有写出任何文件。"
        "请直接提供原文件",
    "{name} is not told any more when addresses, names and payload are replaced; nothing was written. --keep-addresses "
    "writes the small capture with all of them":
        "替换地址、名称和载荷之后不再得出 {name}；没有写出任何文件。--keep-addresses 写出保留这些内容的小抓包",
    "{name} rests on addresses that are written out in payload, which capnet replaces as a whole; nothing was written. "
    "--keep-addresses writes the small capture with all addresses, names and payload":
        "{name} 的依据是载荷中以文本写出的地址，而 capnet 会整体替换载荷；没有写出任何文件。--keep-addresses 写出保留"
        "全部地址、名称和载荷的小抓包",
    "name a capture: capnet export FILES… -o FILE": "请写出抓包文件：capnet export FILES… -o FILE",
    "there is no table {name}: {names:list}": "没有表 {name}：{names}",
    "--flow does not go with the table {name}, whose rows are about no flows alone":
        "--flow 不适用于表 {name}，它的行不只关于流",
    "{purpose} needs {library}: pip install 'capnet[{extra}]'; csv and jsonl need nothing (capnet export --to csv)":
        "{purpose} 需要 {library}：pip install 'capnet[{extra}]'；csv 和 jsonl 什么都不需要（capnet export --to csv）",
    'name a capture: capnet sql FILES… "select …"': '请写出抓包文件：capnet sql FILES… "select …"',
    "-f - and a capture - are both standard input; save one of them": "-f - 和抓包 - 都是标准输入；请保存其一",
    "no query: write it behind the files, or name its file with -f": "没有查询语句：请写在文件之后，或用 -f 指定其文件",
    "A query ends with ; and `show tables;`, `describe flows;` list tables and columns. Ctrl-D leaves.":
        "查询语句以 ; 结束，`show tables;` 列出表，`describe flows;` 列出各列。Ctrl-D 退出。",
    "{refusal:text}\nTables: {names:list}; `describe frames` lists columns (docs/export.md)":
        "{refusal}\n表：{names}；`describe frames` 列出各列（docs/export.md）",
}  # fmt: skip
