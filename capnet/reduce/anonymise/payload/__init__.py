"""What TCP, UDP and VRRP carry: messages whose form stays while what identifies in them is replaced.

DNS, DHCP and VRRP keep their form always. The first octets of connections, and messages of BGP and IKE, keep theirs for
a finding that declares to read them (`findings.payload_read_by`).
"""
