"""Replaces addresses, names and payload of frames and topologies; lengths, ports, times and all other fields stay.

Bytes are rewritten in place, at the offsets that capnet's decoder has found. A packet that were taken apart and built
again, as by scapy, would lose what faults consist of: wrong checksums and lengths, options, paddings, cut frames.
What no header was recognised in is replaced: nothing stays because it was overlooked.
"""
