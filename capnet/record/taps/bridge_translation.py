"""Whether a host translates frames on its bridges: a capture must not make these bridges promiscuous.

A bridge in promiscuous mode hands its host a copy of each frame that it forwards. The host drops the copy, as its MAC
is another's. But where netfilter translated the frame's destination on the bridge (`br_netfilter`), the copy counts as
the host's own and is routed: the receiver gets the packet twice. Of 20 requests to a service whose server was at the
client's bridge, 149 packets were routed in copies and each SYN-ACK was sent twice while the bridge was promiscuous, and
none before and after (counters of Ip and Tcp in /proc/net/snmp).
Without promiscuous mode a bridge shows what its host sends and receives there. What it forwards is seen at its ports.

kube-proxy's rules, and those of CNI's portmap, translate what comes from any interface. Docker's leave out what comes
from the container's own bridge (`! -i docker0`), if its userland proxy takes these connections, which is usual; those
of Swarm for published ports (DOCKER-INGRESS) do not.
"""

from __future__ import annotations

from contextlib import suppress

from capnet.errors import EnvironmentLacks
from capnet.record.remote.shell import Shell

# Prints a rule that may translate a destination on the bridge that a frame came in by. In the network namespace of the
# host: 1 in /proc/sys/net/bridge means that frames pass netfilter. Rules of iptables-legacy are listed by its own
# program alone; `-t nat` would load that table. firewalld's `ct status dnat accept` translates nothing.
_SCRIPT = """
cat /proc/sys/net/bridge/bridge-nf-call-iptables /proc/sys/net/bridge/bridge-nf-call-ip6tables | grep -q 1 || exit 0
command -v iptables-save >&2 || command -v nft >&2 || echo unknown
for save in iptables-save ip6tables-save iptables-legacy-save ip6tables-legacy-save
do $save | grep -e '-j DNAT' | grep -v -m 1 -e ' ! -i '; done
nft list ruleset | grep -E 'dnat( ip6?)?( prefix)? to ' | grep -v -m 1 'iifname != '
exit 0
"""


def translates_on_bridges(shell: Shell) -> bool:
    """Whether bridged frames may be translated on the shell's machine; True where its rules cannot be listed."""
    with suppress(EnvironmentLacks):
        rules = shell.run(["sh", "-c", f"{{ {_SCRIPT} }} 2>/dev/null"], netns=shell.host_netns)
        return bool(rules.strip())
    return True
