"""Capture files: readers, walkers of records, writers. Internal."""

CAPTURE_SUFFIXES = (".pcap", ".pcapng", ".cap")  # of files in a folder; each may have a number and be compressed


def is_capture_name(name: str) -> bool:
    """`web.pcap`, `web.pcap3` of a ring (tcpdump -C), `web.PCAPNG.gz`: what is a capture in a folder."""
    from capnet.wire.formats.compression import name_inside

    return name_inside(name.lower()).rstrip("0123456789").endswith(CAPTURE_SUFFIXES)
