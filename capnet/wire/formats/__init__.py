"""Capture files: readers, walkers of records, writers. Internal."""

CAPTURE_SUFFIXES = (".pcap", ".pcapng", ".cap")  # of files in a folder; each may be compressed
