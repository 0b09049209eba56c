"""The extcap program of capnet: Docker hosts, containers and networks as interfaces of Wireshark, see extcap(4).

Wireshark starts it several times for each interface before anything is captured. So it loads nothing for a question
that the answer does not need: no click, no docker, no numpy.
"""
