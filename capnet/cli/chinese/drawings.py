"""Drawings of scenarios in Chinese: no phrase is wider than the English one, so that lines still meet."""

from __future__ import annotations

import re

from capnet.report.text import columns, padded

# The longest phrases first. None is wider than what it replaces.
WORDS = {
    "masquerade: one of them gets another port or id": "MASQUERADE：其中一个得到另一个端口或 id",
    "and masquerade for web itself": "对 web 自己还有 MASQUERADE",
    "one to two: handed over here": "one 到 two：在此转交",
    "routed by the driver: no ARP,": "由驱动路由：没有 ARP，",
    "first no way to 10.0.*": "起初没有到 10.0.* 的路",
    "ESP     ▼ AES-GCM, a key per direction": "ESP     ▼ AES-GCM，每方向一个密钥",
    "hairpin mode at its ports": "其端口为 hairpin 模式",
    "routed: TTL − 1": "路由：TTL − 1",
    "VXLAN, VNI 1, UDP 8472": "VXLAN，VNI1，UDP8472",
    "no interface of its own": "没有自己的接口",
    "answered for by A (proxy_ndp)": "由 A 代为应答（proxy_ndp）",
    "both have 192.168.111.200 on their loopback interface": "都在 loopback 接口上有 192.168.111.200",
    "two nodes of a swarm, UDP and TCP port 7946": "swarm 的两个节点，UDP 和 TCP 端口 7946",
    "virtual address": "虚拟地址",
    "udp 4789: readable here": "udp 4789：在此可读",
    "nothing is forwarded": "什么都不转发",
    "one network namespace ": "一个网络命名空间 ",
    "by way of host A": "经主机 A",
    "a program on host B": "主机 B 上的程序",
    "untagged here": "在此不带标签",
    "published as udp": "映射为 udp",
    "published as": "映射为",
    "publishes 8080": "映射 8080",
    "published": "已映射",
    "the host's own": "主机自己的",
    "macvlan, mode bridge": "macvlan，bridge 模式",
    "its own MAC": "自己的 MAC",
    "MAC of ens33": "ens33 的 MAC",
    "the TTL stays": "TTL 不变",
    "then ip route add": "再 ip route add",
    "2nd connection": "第二个连接",
    "1st connection": "第一个连接",
    "nothing of bbox": "没有 bbox 的包",
    "(promiscuous)": "（混杂模式）",
    "no port 8080": "无端口 8080",
    "no port": "无端口",
    "route to web": "到 web 路由",
    "name server": "名称服务器",
    "web server": "Web 服务器",
    "echo server": "echo 服务器",
    "database": "数据库",
    "masquerade": "MASQUERADE",
    "stranger": "陌生主机",
    "(filter)": "（过滤）",
    "nothing": "无",
    "router": "路由器",
    "host A": "主机 A",
    "host B": "主机 B",
    "wire": "线路",
    "tag 10": "标签10",
    "mark, IPVS": "标记,IPVS",
}
_PHRASE = re.compile("|".join(rf"(?<![\w-]){re.escape(words)}(?![\w-])" for words in sorted(WORDS, key=len)[::-1]))
_MEETS_LINES = re.compile("[│┐┘┤┬┴┼╝]")  # what stands below or above lines of the drawing


def in_chinese(drawing: str) -> str:
    """The drawing with each phrase replaced; what meets other lines stays in its column."""
    return "\n".join(_PHRASE.sub(_replaced, line) for line in drawing.split("\n"))


def _replaced(phrase: re.Match[str]) -> str:
    meets_lines = _MEETS_LINES.search(phrase.string, phrase.end())
    return padded(WORDS[phrase[0]], columns(phrase[0]) if meets_lines else 0)
