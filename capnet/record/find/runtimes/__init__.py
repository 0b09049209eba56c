"""Containers of containerd and CRI-O, by the files that these runtimes keep on a machine. Internal."""
