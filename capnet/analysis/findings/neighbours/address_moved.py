"""address-moved: an address is at one MAC, and later at another one.

Looks at: ARP and Neighbor Discovery messages that claim one address for different MACs, at one point and in one VNI, of
which one began when the other had ended (`facts.layer2.rival_stations`). Not: a station that announced that it takes
over. Where packets still go to the old MAC, it is `stale-neighbour`.
Says: which MACs claimed which address. So it is when a container is made anew with the same address.
Wrong when: both use the address, and one of them says nothing meanwhile.
Fix: none, unless the address was not given away anew.
Verify: `arping -D -I IFACE ADDRESS` reports no reply from a second MAC.
"""

from __future__ import annotations

from capnet.analysis.core.context import Context
from capnet.analysis.core.results import Finding
from capnet.analysis.core.wording import Text, finding_name, several
from capnet.analysis.facts.layer2.rival_stations import How, rival_stations
from capnet.wire.addresses import mac_text

NAME = finding_name(__name__)
LEVELS = ("info",)
SCENARIO = None  # it is no fault; `fault stale-neighbour` has the new address alone
WITNESS = "pcaps/faults/duplicate-ip.pcapng"  # two stations with one address at the same time
EXPLAINS = ()

PAGE_ZH = """地址先在一个 MAC 上，后来在另一个 MAC 上。

检查：在同一抓包点、同一 VNI 中，为同一地址声称不同 MAC 的 ARP 和邻居发现消息，其中一个在另一个结束后开始
（`facts.layer2.rival_stations`）。不包括：通告接管的站点。如果仍有包发往旧的 MAC，见 `stale-neighbour`。
结论：哪些 MAC 声称过哪个地址。容器以同一地址重新创建时就是这样。
误判：两者都使用该地址，而其中一个这段时间没有说话。
处理：无需处理，除非该地址不是重新分配的。
验证：`arping -D -I IFACE ADDRESS` 没有来自第二个 MAC 的应答。
"""

SAYS = Text(en="{address} is claimed by {macs}, one after the other", zh="{macs} 先后声称拥有 {address}")
FIX = Text(
    en="this is so when a container is made anew with its address; else check that {address} is not used twice",
    zh="容器以同一地址重新创建时就是这样；否则检查 {address} 是否被两方同时使用",
)


def diagnose(context: Context) -> list[Finding]:
    return [
        Finding(
            NAME,
            "info",
            SAYS.fill(address=rivals.address, macs=several([mac_text(mac) for mac in rivals.macs])),
            FIX.fill(address=rivals.address),
            {"address": rivals.address, "macs": [mac_text(mac) for mac in rivals.macs]},
            sorted(rivals.evidence),
        )
        for rivals in rival_stations(context)
        if rivals.how == How.MOVED and not rivals.is_service
    ]
