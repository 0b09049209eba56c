"""`python -m capnet` is the same as `capnet`."""

from capnet.cli import main

main()
