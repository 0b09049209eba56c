"""`python -m capnet.extcap`: what Wireshark runs."""

import sys

from capnet.extcap.program import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
