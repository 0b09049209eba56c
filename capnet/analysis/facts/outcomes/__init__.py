"""What became of flows, as a report has it: changes at hops, ends of paths, fates, answers. Internal."""
