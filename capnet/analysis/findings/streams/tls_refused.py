"""tls-refused: an end of TLS connections refuses the handshake, and says why.

Looks at: fatal alerts of TLS that nothing encrypts (RFC 8446 section 6), in connections whose client begins with a
ClientHello (`facts.streams.tls_refusals`). Not about versions, ciphers and names where the same client gets on with the
service within 5 s, as one does that tries an older version.
Says: which end ends how many handshakes with which service by which alert, how many others of these clients go well,
and the version that the server took, where the client refuses that.
Wrong when: a scanner tries one version and cipher after the other, and none of the last ones fits.
Fix: by the alert: trust in the certificate, its dates, a name that the server knows, a version or cipher of both.
Verify: `openssl s_client -connect SERVER:PORT -servername NAME` shows the certificates, and how they are verified.
"""

from __future__ import annotations

from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import source
from capnet.analysis.core.results import MAX_EVIDENCE, Finding
from capnet.analysis.core.wording import Text, endpoint_text, finding_name, several
from capnet.analysis.facts.streams.tls_refusals import RefusedTls, refused_tls
from capnet.wire.addresses import address_value
from capnet.wire.protocols import tls

NAME = finding_name(__name__)
LEVELS = ("warning",)
SCENARIO = None  # the servers of the scenarios speak plain text
WITNESS = "tests/analysis/findings/recorded/tls-healthy/srv__eth0.pcap"  # handshakes that end well
EXPLAINS = ("accepted-then-closed", "closed-before-request", "reset-in-session", "request-unanswered")
READS = ("stream_starts", "tls_alerts")

PAGE_ZH = """TLS 连接的一端拒绝握手，并说明原因。

检查：以 ClientHello 开始的连接中没有加密的 TLS 致命警报（RFC 8446 第 6 节，`facts.streams.tls_refusals`）。
关于版本、算法和名称的警报，不包括同一客户端 5 秒内与该服务成功建立连接的情况，例如改用旧版本。
结论：哪一端以什么警报结束了与哪个服务的多少次握手，这些客户端另有多少次成功；客户端拒绝版本时，服务器所取的版本。
误判：扫描程序逐一尝试各种版本和算法，而最后几次都不合适。
处理：按警报：对证书的信任、证书的有效期、服务器认识的名称、双方都支持的版本或算法。
验证：`openssl s_client -connect SERVER:PORT -servername NAME` 显示证书以及验证结果。
"""

BY_CLIENT = Text(
    en="{clients} refused TLS with {server}: {count:handshake} ended by the alert '{alert}' ({number}) of the client"
    "{version}{served}",
    zh="{clients} 拒绝与 {server} 建立 TLS：{count} 次握手以客户端的警报“{alert}”（{number}）结束{version}{served}",
)
BY_SERVER = Text(
    en="{server} refused TLS with {clients}: {count:handshake} ended by the alert '{alert}' ({number}) of the server"
    "{served}",
    zh="{server} 拒绝与 {clients} 建立 TLS：{count} 次握手以服务器的警报“{alert}”（{number}）结束{served}",
)
VERSION = Text(en="; the server took {version}", zh="；服务器所取的版本是 {version}")
SERVED = Text(
    en="; {served:other handshake} of {clients} {served:was|were} taken up",
    zh="；{clients} 的另外 {served} 次握手被接受",
)
FIX_TRUST = Text(
    en="the client does not trust the certificate of {server}: give it the CA that signed it (in an image "
    "`update-ca-certificates`, else SSL_CERT_FILE, NODE_EXTRA_CA_CERTS or the program's own setting), let the server "
    "send its intermediate certificates, and check the names in it (`openssl s_client -showcerts -connect {server}`)",
    zh="客户端不信任 {server} 的证书：把签发它的 CA 交给客户端（镜像中用 `update-ca-certificates`，否则用 "
    "SSL_CERT_FILE、NODE_EXTRA_CA_CERTS 或程序自己的设置），让服务器发送中间证书，并检查证书中的名称"
    "（`openssl s_client -showcerts -connect {server}`）",
)
FIX_OF_CLIENT = Text(
    en="the server does not accept the certificate of the client: check that it is signed by a CA that {server} trusts "
    "for clients, that its dates are right, and that the client sends one",
    zh="服务器不接受客户端的证书：检查它是否由 {server} 对客户端信任的 CA 签发、有效期是否正确，以及客户端是否发送了它",
)
FIX_EXPIRED = Text(
    en="renew the certificate of {server}, and check the clock of {client} (`date`)",
    zh="更新 {server} 的证书，并检查 {client} 的时钟（`date`）",
)
FIX_VERSION = Text(
    en="the two share no version of TLS: let the one that has old versions only speak TLS 1.2 or 1.3 (nginx: "
    "`ssl_protocols TLSv1.2 TLSv1.3`), or allow its version at the other one",
    zh="双方没有共同的 TLS 版本：让只支持旧版本的一方使用 TLS 1.2 或 1.3（nginx：`ssl_protocols TLSv1.2 TLSv1.3`），"
    "或在另一方允许该版本",
)
FIX_CIPHER = Text(
    en="look in the log of {server}: the two share no cipher or curve, or it has no certificate for the name that the "
    "client asks for, or it wants a certificate of the client",
    zh="查看 {server} 的日志：双方没有共同的加密算法或曲线，或它没有客户端所请求名称的证书，或它要求客户端证书",
)
FIX_NAME = Text(
    en="{server} has no certificate for the name that the client asks for: check the host name of the URL, and the "
    "names and hosts that the server, proxy or ingress is set up for",
    zh="{server} 没有客户端所请求名称的证书：检查 URL 中的主机名，以及服务器、代理或 ingress 所配置的名称",
)
FIX_PROTOCOL = Text(
    en="the two share no protocol inside TLS (ALPN): let the server offer what the client asks for, as h2 for gRPC",
    zh="双方在 TLS 内没有共同的协议（ALPN）：让服务器提供客户端所要求的协议，例如 gRPC 需要 h2",
)
FIX = Text(
    en="read the log of the program on {refusing}: it says what it refuses",
    zh="查看 {refusing} 上程序的日志：其中说明了拒绝的原因",
)

_FIXES = {
    tls.PROTOCOL_VERSION: FIX_VERSION, tls.HANDSHAKE_FAILURE: FIX_CIPHER, tls.INSUFFICIENT_SECURITY: FIX_CIPHER,
    tls.UNRECOGNIZED_NAME: FIX_NAME, tls.NO_APPLICATION_PROTOCOL: FIX_PROTOCOL,
}  # fmt: skip
MAX_FINDINGS = 20


def diagnose(context: Context) -> list[Finding]:
    return [_finding(context, refused) for refused in refused_tls(context)[:MAX_FINDINGS]]


def _finding(context: Context, refused: RefusedTls) -> Finding:
    clients = sorted({source(context.flows[opening.row]) for opening in refused.openings}, key=address_value)
    server = endpoint_text(refused.server, refused.port)
    version = tls.server_version(refused.openings[0].server)
    is_about_version = refused.description == tls.PROTOCOL_VERSION and refused.is_by_client and version
    says = (BY_CLIENT if refused.is_by_client else BY_SERVER).fill(
        clients=several(clients), server=server, count=len(refused.openings), alert=tls.ALERTS[refused.description],
        number=refused.description, version=VERSION.fill(version=version) if is_about_version else "",
        served=SERVED.fill(served=refused.served, clients=several(clients)) if refused.served else "",
    )  # fmt: skip
    return Finding(
        NAME,
        "warning",
        says,
        _fix(refused).fill(server=server, client=clients[0], refusing=clients[0] if refused.is_by_client else server),
        {
            "server": refused.server, "port": refused.port, "clients": clients[:MAX_EVIDENCE],
            "refused_by": "client" if refused.is_by_client else "server", "alert": refused.description,
            "handshakes": len(refused.openings), "others": refused.served,
        },
        sorted(
            context.flow_evidence(opening.row, frame)
            for opening, frame in zip(refused.openings, refused.frames, strict=True)
        ),
    )  # fmt: skip


def _fix(refused: RefusedTls) -> Text:
    if refused.description in tls.ABOUT_CERTIFICATES:
        if not refused.is_by_client:
            return FIX_OF_CLIENT
        return FIX_EXPIRED if refused.description == tls.CERTIFICATE_EXPIRED else FIX_TRUST
    return _FIXES.get(refused.description, FIX)
