"""The table `protocols`: what share each protocol has (`facts.volume.protocols`); a packet counts at each point."""

from __future__ import annotations

from collections.abc import Iterator

from capnet.analysis.core.context import Context
from capnet.analysis.core.schema import FlowMask
from capnet.analysis.facts.volume.protocols import protocol_rows
from capnet.table.batch import Batch, batch_of
from capnet.table.column import DataColumn
from capnet.table.table import Table

COLUMNS = (
    DataColumn("protocol", "text", "the layers, outermost first: ip/tcp/http, vxlan/ip/udp"),
    DataColumn("level", "uint8", "how many layers that is"),
    DataColumn("flows", "int64", "flows, each direction one"),
    DataColumn("packets", "int64", "their packets; one counts at each point that it passes"),
    DataColumn("bytes", "int64", "their lengths on the wire, the layers around them left out [octets]"),
)


def protocol_table(context: Context, chosen: FlowMask | None = None) -> Table:
    """A row for each layer, those with the most bytes first beside each other."""
    rows = protocol_rows(context, chosen)

    def batches() -> Iterator[Batch]:
        yield batch_of(COLUMNS, rows)

    return Table("protocols", COLUMNS, batches, len(rows))
