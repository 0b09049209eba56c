"""proxied-not-rewritten: docker-proxy, and the same connections with `"userland-proxy": false`."""

from __future__ import annotations

from tests.analysis.findings.reported import of_capture


def test_connection_through_docker_proxy_is_told() -> None:
    """The scenario asks for port 8080 of host A from a container; conntrack has no translation of it."""
    (finding,) = of_capture("pcaps/bridge-hairpin.pcapng", "proxied-not-rewritten")
    assert (finding["level"], finding["facts"]["ports"]) == ("info", [8080])
    assert finding["evidence"]


def test_connection_through_hairpin_nat_is_silent() -> None:
    assert of_capture("pcaps/bridge-hairpin-noproxy.pcapng", "proxied-not-rewritten") == []
