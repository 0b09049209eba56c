"""Answers of the extcap program that are the same for every interface, in the sentences of extcap(4).

The launcher prints them itself: Wireshark asks for both at each interface when it starts, and Python takes 25 ms.
"""

from __future__ import annotations

MAX_SNAPLEN = 262144  # bytes, as everywhere in libpcap
BUFFER_MIB, MAX_BUFFER_MIB = 64, 4096  # as of `capnet capture --buffer`

DLTS = ("dlt {number=1}{name=EN10MB}{display=Ethernet}",)

OPTIONS = (
    f"arg {{number=0}}{{call=--snaplen}}{{display=Snapshot length}}{{type=unsigned}}{{range=0,{MAX_SNAPLEN}}}"
    f"{{default={MAX_SNAPLEN}}}{{tooltip=Bytes that are kept of each packet; 0 keeps all}}",
    "arg {number=1}{call=--filter}{display=Capture filter}{type=string}"
    "{tooltip=pcap-filter(7), used at every capture point. Addresses and ports differ before and behind NAT}",
    f"arg {{number=2}}{{call=--buffer}}{{display=Kernel buffer in MiB}}{{type=unsigned}}{{range=1,{MAX_BUFFER_MIB}}}"
    f"{{default={BUFFER_MIB}}}{{tooltip=Of each capture point: packets that a busy machine has not read yet}}",
)
