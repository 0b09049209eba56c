"""The drawing of a network: hosts, interfaces, bridges, containers, and what the capture shows of the packets in it.

topology or capture → scene → traffic → bounds → layout → SVG
"""
