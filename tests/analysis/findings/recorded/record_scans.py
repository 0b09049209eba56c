"""Records scans by nmap, as `record` does and with its nodes:

    sudo python -m tests.analysis.findings.recorded.record_scans [NAME]

syn-scan       `app` scans 40 ports of srv from one source port; srv accepts port 80, drops 70 to 79 and refuses others
connect-scan   the same by connections of the kernel, 12 ports
address-sweep  `app` tries port 80 of 32 addresses, of which the router and srv exist
few-refusals   three programs of `app` ask one port of srv each, and none is there: no scan
passive-ports  `app` opens 12 ports of srv, of which one refuses, as of passive FTP: no scan
"""

from __future__ import annotations

import subprocess
import sys

from tests.analysis.findings.recorded.record import Recording, bridge, masquerade, record, run, start

Programs = list[subprocess.Popen[bytes]]
LISTEN = "import socket, time; l = [socket.create_server(('', p)) for p in range(50000, 50011)]; time.sleep(60)"
OPEN = "import socket, time\ntime.sleep(2.5)\nfor p in range(50000, 50012):\n try: socket.create_connection(('10.60.0.5', p)).close()\n except OSError: pass"  # noqa: E501


def nmap(options: str) -> subprocess.Popen[bytes]:
    """A scan from `app`, soon after the captures have begun."""
    return start("app", "sh", "-c", f"sleep 2.5; exec nmap -n -Pn --max-retries 1 -T4 {options}")


def _server_drops_some() -> None:
    bridge()
    masquerade()
    run("srv", "iptables -A INPUT -p tcp --dport 70:79 -j DROP")


def syn_scan(programs: Programs) -> None:
    _server_drops_some()
    programs.append(nmap("-sS -p 61-100 10.60.0.5"))


def connect_scan(programs: Programs) -> None:
    _server_drops_some()
    programs.append(nmap("-sT -p 78-89 10.60.0.5"))


def address_sweep(programs: Programs) -> None:
    _server_drops_some()
    programs.append(nmap("-sS -p 80 10.60.0.0/27"))


def few_refusals(_: Programs) -> None:
    bridge()
    masquerade()


def passive_ports(programs: Programs) -> None:
    bridge()
    masquerade()
    programs += [start("srv", "python3", "-c", LISTEN), start("app", "python3", "-c", OPEN)]


_BOTH = ["node/cni0", "node/eth0"]
_MEANWHILE = [("other", "10.60.0.5", 80), *[("other", "10.60.0.1", 0)] * 6]
RECORDINGS: dict[str, Recording] = {
    "syn-scan": (syn_scan, _BOTH, _MEANWHILE),
    "connect-scan": (connect_scan, _BOTH, _MEANWHILE),
    "address-sweep": (address_sweep, _BOTH, _MEANWHILE),
    "few-refusals": (few_refusals, _BOTH, [("app", "10.60.0.5", port) for port in (5432, 6379, 9092)]),
    "passive-ports": (passive_ports, _BOTH, _MEANWHILE),
}


def main() -> None:
    for name in sys.argv[1:] or RECORDINGS:
        record(name, RECORDINGS)


if __name__ == "__main__":
    main()
