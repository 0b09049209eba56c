"""`python -m capnet` is the same as `capnet`."""

import gc

gc.disable()  # what is imported stays: looking through it takes as long as importing click

from capnet.cli import main  # noqa: E402

if __name__ == "__main__":
    main()
