"""The Docker daemon of a host of the lab, and its processes. Internal."""
