"""Records a proxy in `app`, published at the node, that asks `other` for each request, as `record` does:

    sudo python -m tests.analysis.findings.recorded.record_proxies [NAME]

proxy-slow-backend    the backend answers after 1.5 s
proxy-silent-backend  the backend accepts and does not answer; the proxy gives up after 2 s
proxy-lost-backend    rules of `other` drop what comes for port 80; the proxy gives up after 3 s
proxy-no-backend      the proxy's configuration has an address that no host has
proxy-own-work        the backend answers at once, and the proxy works for 1.5 s
proxy-healthy         both answer at once; nothing is wrong
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

from tests.analysis.findings.recorded.record import Recording, bridge, record, run, start

Programs = list[subprocess.Popen[bytes]]
PROXY = """
import socket, threading, time
def serve(peer):
    request, answer = peer.recv(9999), b"HTTP/1.0 504 Gateway Timeout\\r\\n\\r\\n"
    try:
        backend = socket.create_connection(("{backend}", 80), 3)
        backend.sendall(request)
        backend.settimeout(2)
        answer = backend.recv(9999)
        time.sleep({work})
    except OSError:
        pass
    peer.sendall(answer)
    peer.close()
server = socket.create_server(("", 8080))
while True:
    threading.Thread(target=serve, args=server.accept()[:1], daemon=True).start()
"""
BACKEND = """
import socket, threading, time
def serve(peer):
    peer.recv(9999)
    time.sleep({wait})
    peer.sendall(b"HTTP/1.0 200 OK\\r\\n\\r\\nfine")
    peer.close()
server = socket.create_server(("", 80))
while True:
    threading.Thread(target=serve, args=server.accept()[:1], daemon=True).start()
"""


def proxy(
    wait: float = 0, backend: str = "10.77.1.7", work: float = 0, is_dropped: bool = False
) -> Callable[[Programs], None]:
    def build(programs: Programs) -> None:
        bridge()
        run("node", "iptables -t nat -A PREROUTING -i eth0 -p tcp --dport 8080 -j DNAT --to 10.77.1.8:8080")
        if is_dropped:
            run("other", "iptables -A INPUT -p tcp --dport 80 -j DROP")
        programs.append(start("app", "python3", "-c", PROXY.format(backend=backend, work=work)))
        programs.append(start("other", "python3", "-c", BACKEND.format(wait=wait)))

    return build


_POINTS, _ASKS = ["node/eth0", "node/cni0"], [("srv", "10.50.0.11", 8080)] * 3
RECORDINGS: dict[str, Recording] = {
    "proxy-slow-backend": (proxy(wait=1.5), _POINTS, _ASKS),
    "proxy-silent-backend": (proxy(wait=60), _POINTS, _ASKS),
    "proxy-lost-backend": (proxy(is_dropped=True), _POINTS, _ASKS),
    "proxy-no-backend": (proxy(backend="10.77.1.9"), _POINTS, _ASKS),
    "proxy-own-work": (proxy(work=1.5), _POINTS, _ASKS),
    "proxy-healthy": (proxy(), _POINTS, _ASKS),
}


def main() -> None:
    for name in sys.argv[1:] or RECORDINGS:
        record(name, RECORDINGS)


if __name__ == "__main__":
    main()
