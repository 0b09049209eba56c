"""The Python of the capture image: this process's interpreter, with the modules that programs in containers import.

Input: the running interpreter. Output: files by their path in the image.
Method: the interpreter itself says which files it has loaded after these imports. PYTHONHOME is the image's root.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

NAME = "python3"

# What api_tunnel.py and the tracers of capnet.record.kernel import, and codecs that are loaded by name.
_MODULES = (
    *("__future__", "collections.abc", "ctypes", "encodings.ascii", "encodings.idna", "encodings.latin_1", "hmac"),
    *("ipaddress", "json", "os", "pathlib", "queue", "re", "select", "signal", "socket", "ssl", "struct"),
    *("subprocess", "sys", "threading", "time", "typing"),
)
_ASK = """
import importlib, json, sys
for name in sys.argv[1:]:
    importlib.import_module(name)
loaded = ((name, getattr(module, "__file__", None)) for name, module in sys.modules.items())
print(json.dumps([[name, file] for name, file in loaded if file]))
"""


def interpreter_files() -> dict[str, Path]:
    """Path in the image → file here; nothing where the interpreter lacks one of the modules."""
    command = [sys.executable, "-I", "-S", "-c", _ASK, *_MODULES]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode != 0:
        return {}
    folder = f"/{sys.platlibdir}/python{sys.version_info.major}.{sys.version_info.minor}"
    files = {f"/bin/{NAME}": Path(os.path.realpath(sys.executable))}
    for name, file in json.loads(done.stdout):
        path = Path(file)
        parts = name.split(".")
        if path.name.endswith(".so"):
            files[f"{folder}/lib-dynload/{path.name}"] = path
        elif path.name == "__init__.py":
            files[f"{folder}/{'/'.join(parts)}/__init__.py"] = path
        elif name != "__main__":
            files[f"{folder}/{'/'.join(parts)}.py"] = path
    # os.path is posixpath under another name.
    return {path: file for path, file in files.items() if not path.endswith("/os/path.py")}
