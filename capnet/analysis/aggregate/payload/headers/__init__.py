"""Read the headers in which switches and firewalls say why they copied a packet here."""
