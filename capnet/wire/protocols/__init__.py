"""The protocols that capnet decodes, one file each, and the list of the tunnels among them."""

from __future__ import annotations

from capnet.wire.protocols import geneve, gre, ipip, ipsec, vxlan

# The place in this list is the number of a kind in rows and tables: append only.
TUNNEL_KINDS = (vxlan.KIND, geneve.KIND, gre.KIND, ipip.KIND, ipsec.KIND)

KIND_OF_NUMBER = {kind.number: kind for kind in TUNNEL_KINDS}
KIND_OF_NAME = {kind.name: kind for kind in TUNNEL_KINDS}
