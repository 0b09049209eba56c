"""Pods: containers whose network a CNI plugin makes, not Docker, and the services of Kubernetes before them."""
