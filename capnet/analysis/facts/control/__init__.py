"""What control protocols say of the sessions and routers that networks stand on."""
