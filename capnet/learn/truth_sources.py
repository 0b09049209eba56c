"""Who says that an answer is right: what was recorded beside the packets, or the packets themselves."""

from __future__ import annotations

from capnet.analysis.core.wording import Text

CONNTRACK = Text(en="Recorded by conntrack on host A: {line}", zh="主机 A 的 conntrack 记录：{line}")
INSPECT = Text(en="Recorded by docker inspect: {said}", zh="docker inspect 的记录：{said}")
IP = Text(en="Recorded by ip on host A: {said}", zh="主机 A 上 ip 命令的记录：{said}")
FRAME = Text(en="The frame itself says so; tshark reads the same value.", zh="以这一帧本身为准；tshark 读出的值相同。")
COUNTED = Text(en="The capture says so: tshark counts the same frames.", zh="以抓包本身为准；tshark 数出的帧数相同。")
