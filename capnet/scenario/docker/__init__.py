"""What scenarios ask of Docker: images, containers, services, swarms, removal. Internal."""
