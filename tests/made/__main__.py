import sys
from pathlib import Path

from tests.made.build import all_captures

for name, data in all_captures().items():
    if len(sys.argv) == 1 or name.partition(".")[0] in sys.argv[1:]:
        Path(__file__).with_name(name).write_bytes(data)
        print(f"{name}: {len(data)} bytes")
