"""Records services whose two ends speak past each other, as `record` does and with its nodes:

    sudo python -m tests.analysis.findings.recorded.record_streams [NAME]

plain-to-tls     `app` asks a port of TLS for plain HTTP; `other` asks it by TLS, and is answered
tls-to-plain     `app` begins TLS at a port of plain HTTP; `other` asks that in plain text, and is answered
ftp-ports        the node publishes port 21 of `app`, and not the ports that its 227 replies name
ftp-published    the same, with these ports published; nothing is wrong
tls-ca           `app` does not trust the certificate of the server, `other` does not look at it
tls-version      `app` speaks TLS 1.2 at most, the server 1.3 at least, as `other` does
tls-healthy      both clients speak as their servers do; nothing is wrong

The servers are Python's ssl and http.server, and one of FTP below; the clients are its ssl, sockets and ftplib.
"""

from __future__ import annotations

import subprocess
import sys

from tests.analysis.findings.recorded.record import Recording, bridge, masquerade, record, run, start

SERVE_TLS = """
import http.server, ssl, subprocess, sys, tempfile
server = http.server.ThreadingHTTPServer(("", 8443), http.server.SimpleHTTPRequestHandler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
with tempfile.TemporaryDirectory() as folder:
    files = {"key": folder + "/key.pem", "certificate": folder + "/certificate.pem"}
    words = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=srv -keyout {key} -out {certificate}"
    subprocess.run(words.format(**files).split(), check=True)
    context.load_cert_chain(files["certificate"], files["key"])
if sys.argv[1:]:
    context.minimum_version = getattr(ssl.TLSVersion, sys.argv[1])
    context.maximum_version = getattr(ssl.TLSVersion, sys.argv[2])
server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
server.serve_forever()
"""
ASK_TLS = """
import socket, ssl, sys, time
time.sleep(2.5)
context = ssl.create_default_context()
context.check_hostname = False
if sys.argv[2:] != ["verify"]:
    context.verify_mode = ssl.CERT_NONE
if sys.argv[2:] == ["old"]:
    context.maximum_version = ssl.TLSVersion.TLSv1_2
for _ in range(2):
    try:
        with context.wrap_socket(socket.create_connection(("10.60.0.5", int(sys.argv[1])), 3)) as asking:
            asking.sendall(b"GET / HTTP/1.0\\r\\n\\r\\n")
            asking.recv(99)
    except OSError:
        pass
"""
SERVE_FTP = """
import socket
control = socket.create_server(("", 21))
data = [socket.create_server(("", port)) for port in (40000, 40001)]
while True:
    session, _ = control.accept()
    session.sendall(b"220 ready\\r\\n")
    listening = None
    for line in session.makefile("rb"):
        word = line.split()[0]
        if word == b"PASV":
            listening = data[0]
            data.reverse()
            port = listening.getsockname()[1]
            session.sendall(b"227 Entering Passive Mode (10,77,1,8,%d,%d).\\r\\n" % (port >> 8, port & 255))
        elif word == b"NLST":
            session.sendall(b"150 here\\r\\n")
            sending, _ = listening.accept()
            sending.sendall(b"file\\r\\n")
            sending.close()
            session.sendall(b"226 done\\r\\n")
        else:
            session.sendall({b"USER": b"331 password", b"PASS": b"230 ok", b"QUIT": b"221 bye"}.get(word, b"200 ok"))
            session.sendall(b"\\r\\n")
            if word == b"QUIT":
                break
    session.close()
"""
ASK_FTP = """
import ftplib, time
time.sleep(2.5)
for _ in range(2):
    session = ftplib.FTP("10.50.0.11", timeout=4)
    session.login()
    try:
        session.nlst()
        session.quit()
    except OSError:
        session.close()
"""
Programs = list[subprocess.Popen[bytes]]


def plain_to_tls(programs: Programs) -> None:
    bridge()
    masquerade()
    programs += [start("srv", "python3", "-c", SERVE_TLS), start("other", "python3", "-c", ASK_TLS, "8443")]


def tls_to_plain(programs: Programs) -> None:
    bridge()
    masquerade()
    programs.append(start("app", "python3", "-c", ASK_TLS, "80"))


def tls_ca(programs: Programs) -> None:
    bridge()
    masquerade()
    programs += [start("srv", "python3", "-c", SERVE_TLS, "TLSv1_2", "TLSv1_2")]
    programs += [start("app", "python3", "-c", ASK_TLS, "8443", "verify")]
    programs += [start("other", "python3", "-c", ASK_TLS, "8443")]


def tls_version(programs: Programs) -> None:
    bridge()
    masquerade()
    programs += [start("srv", "python3", "-c", SERVE_TLS, "TLSv1_3", "TLSv1_3")]
    programs += [start("app", "python3", "-c", ASK_TLS, "8443", "old")]
    programs += [start("other", "python3", "-c", ASK_TLS, "8443")]


def ftp_ports(programs: Programs) -> None:
    bridge()
    run("node", "iptables -t nat -A PREROUTING -i eth0 -p tcp --dport 21 -j DNAT --to 10.77.1.8")
    programs += [start("app", "python3", "-c", SERVE_FTP), start("srv", "python3", "-c", ASK_FTP)]


def ftp_published(programs: Programs) -> None:
    ftp_ports(programs)
    run("node", "iptables -t nat -A PREROUTING -i eth0 -p tcp --dport 40000:40001 -j DNAT --to 10.77.1.8")


RECORDINGS: dict[str, Recording] = {
    "plain-to-tls": (plain_to_tls, ["node/cni0", "srv/eth0"],
                     [("router", "10.60.0.5", 0), *[("app", "10.60.0.5", 8443)] * 2]),
    "tls-to-plain": (tls_to_plain, ["node/cni0", "srv/eth0"],
                     [("other", "10.60.0.5", 80), ("router", "10.60.0.5", 0), ("router", "10.60.0.5", 0)]),
    "tls-ca": (tls_ca, ["node/cni0", "srv/eth0"], [("router", "10.60.0.5", 0)] * 4),
    "tls-version": (tls_version, ["node/cni0", "srv/eth0"], [("router", "10.60.0.5", 0)] * 4),
    "tls-healthy": (plain_to_tls, ["node/cni0", "srv/eth0"],
                    [("app", "10.60.0.5", 80), ("router", "10.60.0.5", 0), ("router", "10.60.0.5", 0)]),
    "ftp-ports": (ftp_ports, ["node/eth0", "node/cni0"], [("router", "10.50.0.11", 0)] * 4),
    "ftp-published": (ftp_published, ["node/eth0", "node/cni0"], [("router", "10.50.0.11", 0)] * 4),
}  # fmt: skip


def main() -> None:
    for name in sys.argv[1:] or RECORDINGS:
        record(name, RECORDINGS)


if __name__ == "__main__":
    main()
