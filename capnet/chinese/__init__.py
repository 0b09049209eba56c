"""Headings, titles of columns and single words in Chinese; what is counted stands with its measure word."""

from __future__ import annotations

_NOUNS = {
    "packet": "个包", "frame": "帧", "flow": "条流", "byte": "字节", "point": "个抓包点", "station": "个站点",
    "container": "个容器", "host": "台主机", "translation": "条转换", "tunnel": "条隧道", "connection": "个连接",
    "conversation": "个会话", "destination": "个目的地址", "source port": "个源端口", "ICMP id": "个 ICMP id",
    "time": "次", "note": "条说明", "place": "处", "line": "行", "row": "行", "file": "个文件", "error": "个错误",
    "warning": "个警告", "info": "条提示", "finding": "条诊断", "question": "个问题", "problem": "个问题",
    "other flow": "条其他流", "compiled kernel": "个编译好的 kernel", "capture": "份抓包", "day": "天",
}  # fmt: skip


def counted(noun: str) -> str:
    """`个包` of `packet`: what stands behind a number; also of `more packet`, `tunnel was`, `destination is`."""
    bare = noun.removeprefix("more ").removesuffix(" was").removesuffix(" is")
    return _NOUNS.get(bare, bare)


TERMS = {
    # labels of the first screen
    "error": "错误", "warning": "警告", "info": "提示", "Fix": "处理", "Note": "说明", "Seen": "位置", "More": "详情",
    "Who": "通信", "Outward": "出站", "Inward": "入站", "Redirect": "重定向", "Not seen": "未知", "Names": "名称",
    "Verify": "验证",
    "one frame": "单帧", "as JSON": "JSON",
    # sections
    "Findings": "诊断", "What the kernels say": "内核的记录", "Flows that fail": "失败的流", "ICMP errors": "ICMP 错误",
    "Neighbours": "邻居", "Network model": "网络模型", "Network models": "网络模型", "NAT": "地址转换",
    "Proxied": "代理", "Proxied: two connections, not a rewrite": "代理：两个连接，不是改写",
    "two connections, not a rewrite": "两个连接，不是改写", "Tunnels": "隧道", "MACs": "MAC", "Stations": "站点",
    "Paths": "路径", "Biggest flows": "最大的流", "Conversations": "会话", "Protocols": "协议分布",
    "Points": "抓包点", "new": "新", "Damaged input": "输入损坏", "Witnesses": "见证",
    "What could not be read": "未能读出的部分", "Not decoded further": "未进一步解码", "Flows now": "当前的流",
    # the page
    "File": "文件", "Command": "命令", "Made by": "生成者", "Times": "时间", "Evidence": "证据",
    "Evidence of": "证据，关于",
    "in Wireshark": "在 Wireshark 中", "also": "另见", "Wireshark filters": "Wireshark 过滤器", "fields": "字段",
    "Kernel": "内核", "routing": "路由", "not captured between": "中间未抓包", "Network as captured": "抓到的网络",
    "Topology": "拓扑", "interfaces of the host": "主机自己的接口", "loopback only": "只有 loopback",
    "load balancer": "负载均衡", "All flows": "全部流", "↓ there": "↓ 去程", "↑ back": "↑ 返回",
    "since the point above": "自上一点", "since the point below": "自下一点", "there": "去程", "back": "返回",
    "Packet": "包", "Frame": "帧",
    "frame": "帧", "change": "变化", "what differs": "差别", "What broke": "什么出了问题", "First": "第一个",
    "Second": "第二个",
    # columns
    "point": "抓包点", "role": "角色", "link type": "链路类型", "packets": "包数", "bytes": "字节", "missed": "漏抓",
    "file": "文件", "damage": "损坏", "at byte": "字节位置", "flow": "流", "flows": "流数", "end": "终点",
    "route": "路线", "proto": "协议", "inside": "隧道内", "resent": "重传", "seen at": "位置", "kernel of": "内核",
    "counted by": "计数者",
    "conversation": "会话", "application": "应用", "state": "状态", "capnet": "capnet", "lasted": "持续",
    "packets, there / back": "包数，去程 / 返回", "protocol": "协议",
    "what it did": "动作", "model": "模型", "confidence": "置信度", "evidence": "证据", "tunnel": "隧道",
    "kind": "类型", "interface": "接口", "network": "网络", "between": "两端", "port": "端口", "frames": "帧数",
    "overhead": "开销",
    "largest": "最大", "note": "备注", "what becomes of it": "结果", "ICMP error": "ICMP 错误", "from": "来自",
    "to": "发往", "about": "关于", "messages": "消息数", "asker": "询问者", "target": "目标", "asked": "询问",
    "answered": "应答", "MAC": "MAC", "speaks for": "代表的地址", "name": "名称", "addresses": "地址",
    "original, below it translated": "转换前，其下为转换后", "delay": "时延", "reply": "应答", "known by": "依据",
    "client's connection, below it the server's": "客户端的连接，其下为服务器端的",
    "VLAN": "VLAN", "RTT": "RTT", "VNI": "VNI", "TTL": "TTL", "Wireshark": "Wireshark",
    "finding": "诊断", "capture": "抓包", "reason": "原因", "in": "所在",
    "since (UTC)": "起始（UTC）", "until (UTC)": "终止（UTC）", "first in": "首见于",
    "what was found first": "首次诊断", "earlier without": "此前没有它的抓包数",
    "Captures that were not read, or not to their end": "未读出或未读完的抓包",
    "Containers": "容器", "Connections in several captures": "出现在多份抓包中的连接", "connections": "连接数",
    # cells
    "yes": "有", "no": "无", "no reply": "无应答", "one way": "单向", "encrypted": "已加密", "none": "无",
    "copy": "副本", "routed copy": "路由后的副本", "container": "容器", "host": "主机", "gateway": "网关",
    "router": "路由器", "bridge": "网桥", "external": "外部", "parent": "父接口", "underlay": "底层",
    "overlay": "overlay", "loopback": "loopback", "unknown": "未知",
    "distinct": "各自独立的 MAC", "shared": "共享同一个 MAC", "duplicate-ip": "地址重复",
    # what happened between two points
    "wire": "线路", "routed": "路由", "bridged": "网桥转发", "veth": "veth 对", "encapsulated": "封装",
    "decapsulated": "解封装", "proxied": "代理", "rewritten": "改写", "encrypted by ESP": "ESP 加密",
    "vlan-tagged": "加 VLAN 标签", "vlan-untagged": "去 VLAN 标签", "fragmented": "分片", "reassembled": "重组",
    "DNAT": "目的地址转换", "SNAT": "源地址转换", "SNAT + DNAT": "源和目的地址转换",
    "un-SNAT (reply)": "还原源地址转换（应答）", "un-DNAT (reply)": "还原目的地址转换（应答）",
    # fields that differ
    "source": "源地址", "destination": "目的地址", "source MAC": "源 MAC", "destination MAC": "目的 MAC",
    "source port": "源端口", "destination port": "目的端口",
    "virtual IPs of services": "服务的虚拟地址", "no host": "没有主机",
    "Same points by other names": "名称不同的同一抓包点",
    "networks without a container": "没有容器的网络", "no container": "没有容器",
    "network that Docker does not know": "Docker 没有的网络", "routed, without a bridge": "经路由，没有网桥",
    # one frame
    "no time": "无时间", "rule": "规则", "comment": "注释", "payload": "载荷", "stopped": "止于", "type": "类型",
    "not captured": "未抓到", "authenticated": "已认证", "what it carries is encrypted": "所承载的内容已加密",
    "to us": "发给本机", "broadcast": "广播", "multicast": "组播", "to someone else": "发给其他主机",
    "sent by us": "本机发出", "session": "会话", "labels": "标签", "no link-layer addresses": "没有链路层地址",
    "don't fragment": "禁止分片",
    # words in sentences of findings
    "dropped": "丢弃了", "refused": "拒绝了", "rewrote": "改写了", "ARP request": "ARP 请求", "ARP reply": "ARP 应答",
    "RARP request": "RARP 请求", "RARP reply": "RARP 应答",
    "udp packet": "udp 包", "tcp packet": "tcp 包", "icmp packet": "icmp 包", "icmpv6 packet": "icmpv6 包",
    "a wrong": "错误", "an unfilled": "未填写",
    "pairs of a MAC and an address": "对 MAC 与地址", "pairs of addresses in ARP": "对 ARP 地址",
    "directions of tunnels": "个隧道方向", "addresses of one network inside tunnels": "个隧道内同一网络的地址",
    "translations that only the two directions of a connection show": "条只由连接的两个方向得知的转换",
    "NAT tables (conntrack: streams)": "NAT 表（conntrack：流）", "NAT tables (conntrack)": "NAT 表（conntrack）",
    "IPVS balancers (Swarm, kube-proxy)": "IPVS 负载均衡（Swarm、kube-proxy）",
    "load balancers and NAT gateways of clouds": "云的负载均衡和 NAT 网关",
    "load balancers of clouds": "云的负载均衡", "many proxies": "许多代理",
    # doctor, lab, scenarios
    "scenario": "场景", "fault": "故障", "tunnels": "隧道", "verdict": "结果", "told when broken": "故障时报出",
    "told when healthy": "正常时报出", "nothing": "无", "s": "秒", "part": "部分", "what": "内容", "here": "本机",
    "found": "说明", "get it, or play it": "获取或运行", "found; get it": "说明；获取",
    "containers": "容器数",
    "swarm": "swarm", "Docker": "Docker", "up": "运行中", "down": "未运行", "listening": "抓包", "kernel": "内核",
    "lab": "实验环境", "lab, uml": "实验环境，uml", "daemon": "守护进程", "image busybox": "镜像 busybox",
    "static busybox": "静态 busybox", "permission": "权限", "kernel modules": "内核模块", "processor": "处理器",
    "pods": "Pod", "root": "root", "uml": "uml",
    # cards, comparisons, traces and manual pages
    "The packet": "这个包",
    "Where it fails": "哪里失败", "Who reaches it": "谁访问它", "Ports that were asked": "被请求的端口",
    "Whom it reaches": "它访问谁", "As whom it appears to others": "对外显示为", "Names it asks for": "它查询的名称",
    "Captured at its own interfaces": "它自己接口上的抓包点", "New findings": "新出现的诊断",
    "Findings of the first only": "只在第一份中的诊断", "Flows that fail now": "现在失败的流",
    "Flows that do not fail any more": "不再失败的流", "Routes": "路线", "Delays": "时延", "Translations": "地址转换",
    "Capture points": "抓包点",
    "Flows of one capture only, which the other may not have had": "只在一份抓包中的流，另一份可能没有这些流",
    "service": "服务", "address": "地址", "subnet": "子网", "bridge, parent": "网桥、父接口", "mode": "模式",
    "virtual IP": "虚拟地址", "host end": "主机端", "published ports": "端口映射", "namespace": "命名空间",
    "captures": "抓包", "begins": "开始", "report": "报告",
    "level": "级别", "Try it": "试一试", "packets/s": "包/秒", "rate": "速率",
}  # fmt: skip
