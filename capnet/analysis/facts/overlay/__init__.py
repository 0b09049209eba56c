"""What happens between the inside of a tunnel and the host that ends it. Internal."""
