"""Which columns of rows say of which connection or association a packet is, and in which direction."""

from __future__ import annotations

from capnet.wire import fields

_PLACE = [fields.POINT, fields.VIA, fields.VIA_VNI]
_SOURCE, _DESTINATION = [fields.SRC_HI, fields.SRC_LO], [fields.DST_HI, fields.DST_LO]

DIRECTION = [*_PLACE, *_SOURCE, *_DESTINATION, fields.SPORT, fields.DPORT]
OPPOSITE = [*_PLACE, *_DESTINATION, *_SOURCE, fields.DPORT, fields.SPORT]  # so that an answer has its question's values
