"""What only the bytes of packets tell, kept in a bounded number of entries. Internal."""
