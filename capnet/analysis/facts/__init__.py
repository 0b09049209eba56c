"""Tables and links → facts: NAT, layer 2, network models, tunnels, paths, stations, flows. Internal."""
