"""TLS (RFC 8446 section 5.1): records, and the alerts by which an end refuses a handshake (section 6).

| type(1)       | version(2)                    | length(2)                    | content
  20 change_cipher_spec, 21 alert: level(1) description(1), 22 handshake: type(1) length(3) version(2), 23 data
"""

from __future__ import annotations

RECORD_TYPES, ALERT, HANDSHAKE = range(20, 24), 21, 22
CLIENT_HELLO, SERVER_HELLO = 1, 2
ALERT_LENGTH = 7  # octets of a record with an alert that is not encrypted
HANDSHAKE_VERSION = 11  # octets of a record up to the version that a message of the handshake names
WARNING, FATAL = 1, 2
HANDSHAKE_FAILURE, NO_CERTIFICATE, BAD_CERTIFICATE, UNSUPPORTED_CERTIFICATE, CERTIFICATE_REVOKED = 40, 41, 42, 43, 44
CERTIFICATE_EXPIRED, CERTIFICATE_UNKNOWN, UNKNOWN_CA, ACCESS_DENIED, PROTOCOL_VERSION = 45, 46, 48, 49, 70
INSUFFICIENT_SECURITY, UNRECOGNIZED_NAME, CERTIFICATE_REQUIRED, NO_APPLICATION_PROTOCOL = 71, 112, 116, 120
ALERTS = {
    10: "unexpected message", 20: "bad record MAC", 22: "record overflow", 30: "decompression failure",
    HANDSHAKE_FAILURE: "handshake failure", NO_CERTIFICATE: "no certificate", BAD_CERTIFICATE: "bad certificate",
    UNSUPPORTED_CERTIFICATE: "unsupported certificate", CERTIFICATE_REVOKED: "certificate revoked",
    CERTIFICATE_EXPIRED: "certificate expired", CERTIFICATE_UNKNOWN: "certificate unknown", 47: "illegal parameter",
    UNKNOWN_CA: "unknown CA", ACCESS_DENIED: "access denied", 50: "decode error", 51: "decrypt error",
    PROTOCOL_VERSION: "protocol version", INSUFFICIENT_SECURITY: "insufficient security", 80: "internal error",
    86: "inappropriate fallback", 109: "missing extension", 110: "unsupported extension",
    UNRECOGNIZED_NAME: "unrecognized name", 113: "bad certificate status response", 115: "unknown PSK identity",
    CERTIFICATE_REQUIRED: "certificate required", NO_APPLICATION_PROTOCOL: "no application protocol",
}  # fmt: skip
# What an end says of the certificate that it got, or did not get.
ABOUT_CERTIFICATES = (
    NO_CERTIFICATE, BAD_CERTIFICATE, UNSUPPORTED_CERTIFICATE, CERTIFICATE_REVOKED, CERTIFICATE_EXPIRED,
    CERTIFICATE_UNKNOWN, UNKNOWN_CA, ACCESS_DENIED, CERTIFICATE_REQUIRED,
)  # fmt: skip
VERSIONS = {b"\x03\x00": "SSL 3.0", b"\x03\x01": "TLS 1.0", b"\x03\x02": "TLS 1.1", b"\x03\x03": "TLS 1.2"}


def is_alert(octets: bytes) -> bool:
    """Is it an alert of TLS that nothing encrypts, and nothing else?"""
    is_record = len(octets) == ALERT_LENGTH and octets[0] == ALERT and octets[1] == 3 and octets[2] <= 4
    return is_record and octets[3:5] == b"\0\2" and octets[5] in (WARNING, FATAL)


def server_version(octets: bytes) -> str | None:
    """The version that a ServerHello of TLS 1.2 or older takes; one of TLS 1.3 says "TLS 1.2" here as well."""
    return VERSIONS.get(octets[9:11])
