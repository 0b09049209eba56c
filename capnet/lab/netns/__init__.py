"""Network namespaces of the lab: links, and commands inside. Internal."""
