"""What `capnet packet` says of a frame: where decoding stops, which rule logged it, what Wireshark says."""

from __future__ import annotations

DECODE_MESSAGES = {
    # where decoding stops
    "cut inside a header": "首部被截断",
    "link type {name}": "链路类型 {name}",
    "ethertype {value}": "以太网类型 {value}",
    "IP protocol {number}": "IP 协议 {number}",
    "more than {number} tunnels inside each other": "隧道嵌套超过 {number} 层",
    "802.3 with LLC": "带 LLC 的 802.3",
    "VXLAN-GPE next protocol {number}": "VXLAN-GPE 的下一协议 {number}",
    "{tunnel} without IP inside": "{tunnel} 中没有 IP",
    "more than {number} MPLS labels": "超过 {number} 个 MPLS 标签",
    "malformed header": "首部格式错误",
    # the rule that logged a frame
    "no prefix": "没有前缀",
    'prefix "{prefix}"': "前缀“{prefix}”",
    'prefix "{prefix}" at {hook}': "前缀“{prefix}”，位于 {hook}",
    'prefix "{prefix}" at {hook}, from interface {number}': "前缀“{prefix}”，位于 {hook}，来自接口 {number}",
    'prefix "{prefix}" at {hook}, to interface {number}': "前缀“{prefix}”，位于 {hook}，发往接口 {number}",
    'prefix "{prefix}" at {hook}, from interface {number}, to interface {other}':
        "前缀“{prefix}”，位于 {hook}，来自接口 {number}，发往接口 {other}",
    "no prefix at {hook}": "没有前缀，位于 {hook}",
    "no prefix at {hook}, from interface {number}": "没有前缀，位于 {hook}，来自接口 {number}",
    "no prefix at {hook}, to interface {number}": "没有前缀，位于 {hook}，发往接口 {number}",
    "no prefix at {hook}, from interface {number}, to interface {other}":
        "没有前缀，位于 {hook}，来自接口 {number}，发往接口 {other}",
    # the second opinion
    "As Wireshark dissects it:": "Wireshark 的解析：",
    "As Wireshark dissects it by itself, without the streams before it:": "Wireshark 单独的解析，不含此前的流：",
    "tshark is not installed: no second opinion. It comes with Wireshark (Debian: apt install tshark).":
        "没有安装 tshark：没有另一种解析。它随 Wireshark 提供（Debian：apt install tshark）。",
}  # fmt: skip
