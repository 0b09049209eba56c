"""Names of capture points: which host, container and interface a name or the name of a file means.

    hostA__docker0.pcap         interface docker0 of host hostA
    hostA__web__eth0.pcap       interface eth0 of container web on host hostA
    container-web__eth0.pcap    interface eth0 of container web, on a host that is not known
    hostA-docker0.pcap          as hostA__docker0.pcap: docker0 is what an interface is called
    overlay-two.pcap            no host: `two` is no name of an interface
    ens33.10.pcap               interface ens33.10, VLAN 10 of ens33
    host1.example.com.pcapng    host host1.example.com

Method: names that the kernel, Docker, podman, CNI plugins and systemd give to interfaces (`DEVICE`); systemd's are in
systemd.net-naming-scheme(7). `__` splits in any case, a hyphen or underscore only before such a name.
Limits: a host that is called like an interface is taken for one.
"""

from __future__ import annotations

import re

from capnet.quick_tuple import NamedTuple
from capnet.topology import container_in_name

MAX_DEVICE = 15  # characters of an interface's name (IFNAMSIZ in linux/if.h)

# Patterns are compiled when they are first used (`re` keeps them): it takes a millisecond, and recordings of capnet do
# not need them.
# Each with an optional VLAN id behind it, as `ip link add link ens33 name ens33.10 type vlan` is usually called.
DEVICE = (
    r"(?:lo|any|docker0|docker_gwbridge|br-[0-9a-f]{12}|br\d+|vmbr\d+|virbr\d+|lxcbr\d+|lxdbr\d+|incusbr\d+|kube-bridge"
    r"|podman\d+|cni\d+|cni-podman\d+|veth(?=\w*\d|[0-9a-f]+$)\w+|(?:cali|lxc|eni|azv)[0-9a-f]+"
    r"|cilium_(?:host|net|vxlan)"
    r"|flannel\.\d+|flannel-v6\.\d+|vxlan[\d.]\S*|vxlan-v6\.\w+|vxlan_sys_\d+|genev\w*\d+|gre\d+|tunl\d+|sit\d+|wg\d+|tun\d+|tap\w*\d"
    r"|eth\d+|en[ops]\d\w*|enx[0-9a-f]{12}|em\d+|p\d+p\d+|wl[ops]\d\w*|wlan\d+|bond\d+|team\d+|ib\d+|ens\d+f\d+np\d+"
    r"|macvlan\d+|macvtap\d+|ipvlan\d+|ipvtap\d+|dummy\d+|ifb\d+|vlan\d+|kube-ipvs\d+|nodelocaldns)(?:\.\d{1,4})?"
)
_CAPTURE_SUFFIX = r"(?i)(?:\.(?:pcapng|pcap|cap|ntar|dmp|dump|trace)\d*)?(?:\.(?:gz|zst|lz4))?$"
_RING_SUFFIX = r"_\d{5,}_\d{14}$"  # of `dumpcap -b`: number and time of a file of the ring
_BEFORE_DEVICE = rf"(?P<host>.*?\w)[-_]+(?P<device>{DEVICE})"
_DOMAIN = r"(?i)[a-z\d-]+(?:\.[a-z\d-]+)+\.[a-z]{2,}"  # three labels or more, RFC 1123


class PointName(NamedTuple):
    """A point's name, and what its parts are; None for a part that it does not have."""

    name: str
    host: str | None = None
    container: str | None = None
    device: str | None = None  # name of the interface


def file_stem(file: str) -> str:
    """The name of a capture file without the suffixes of captures and compression, and without dumpcap's number."""
    return re.sub(_RING_SUFFIX, "", re.sub(_CAPTURE_SUFFIX, "", file, count=1)) or file


def name_of_stem(stem: str) -> PointName:
    """What the name of a capture file, without suffixes, says of its point."""
    if "__" in stem.strip("_"):
        parts = [part for part in stem.split("__") if part]
        # Names of source trees have `__` too: more than one is a host and a container only before an interface.
        if is_device_name(parts[1]) if len(parts) == 2 else len(parts) < 5 and re.fullmatch(DEVICE, parts[-1]):
            return name_of_point("/".join(parts))
    if re.fullmatch(DEVICE, stem):
        return PointName(stem, device=stem)
    # Each of these patterns takes 1 to 2 ms to compile: a name that cannot be so is not compared with it.
    if ("-" in stem or "_" in stem) and (match := re.fullmatch(_BEFORE_DEVICE, stem)):
        return name_of_point("{host}/{device}".format_map(match.groupdict()))
    if stem.count(".") > 1 and re.fullmatch(_DOMAIN, stem):
        return PointName(stem, host=stem)
    return PointName(stem)


def name_of_point(name: str) -> PointName:
    """The parts of `HOST/INTERFACE`, `HOST/CONTAINER/INTERFACE`, `container-NAME/INTERFACE` or `INTERFACE`."""
    *owner, device = re.sub(r"#\d+$", "", name).split("/")  # as the second point of one name is called
    if not owner:
        return PointName(name, device=device if re.fullmatch(DEVICE, device) else None)
    if container := container_in_name(name):
        return PointName(name, None, container, device)
    inner = "/".join(owner[1:])
    is_network = inner.startswith(("overlay:", "balancer:"))  # capnet's names for namespaces of Docker's networks
    return PointName(name, owner[0], None if is_network else inner or None, device)


def is_device_name(name: str) -> bool:
    """Would the kernel take this as the name of an interface?"""
    return 0 < len(name) <= MAX_DEVICE and not re.search(r"[\s/:]", name) and name not in (".", "..")
