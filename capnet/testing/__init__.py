"""Assertions on what a network does to packets, in the tests of others.

def test_shop(capnet_capture):                       # fixtures of the pytest plugin that capnet installs
    with capnet_capture("shop_default") as net:      # a network, container, project or service of this host
        order_something()
    assert net.flow("web", "db:5432").delivered
    assert net.findings == []

def test_saved(capnet_report):                       # a stored capture: without Docker, root or Wireshark
    assert capnet_report("saved.pcapng").flow("client", "web:80").client_address_kept
"""

from capnet.testing.encryption import CannotTell
from capnet.testing.flow import NamedFlow
from capnet.testing.live import CaptureFailed, LiveNet
from capnet.testing.net import Net, NoSuchFlow, net_of

__all__ = ["CannotTell", "CaptureFailed", "LiveNet", "NamedFlow", "Net", "NoSuchFlow", "net_of"]
