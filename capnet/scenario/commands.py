"""Shell commands for busybox, as scenarios give them to containers."""

from __future__ import annotations

import shlex

STAY = "trap 'exit 0' TERM; while :; do sleep 3600 & wait; done"  # a process 1 that ends when told to


def page(folder: str, size: int) -> str:
    """Shell command that puts an index.html of `size` bytes of numbered lines into `folder`."""
    lines = "yes 'one line of a page that is easy to find in a capture'"
    return f"mkdir -p {folder} && {lines} | head -c {size} >{folder}/index.html"


def web_server(size: int, *, port: int = 80) -> str:
    """Shell command of a container that is a web server; it answers every GET / with a page of `size` bytes."""
    at_port = "" if port == 80 else f"-p {port} "
    return f"{page('/srv', size)} && exec httpd -f {at_port}-h /srv"


def get(url: str) -> str:
    """Shell command that fetches a page; it fails unless there is an answer."""
    return f"wget -q -O /dev/null {shlex.quote(url)}"


def ping_as(ident: int, address: str) -> str:
    """Shell command that pings three times with the echo identifier `ident`, above the processes that have run so far.

    busybox's ping takes its process number for it, so processes are spent until it is that number's turn.
    """
    attempt = f"sh -c '[ $$ -eq {ident} ] && exec ping -c 3 -i 0.3 {address}'"
    return f"n=0; while [ $n -lt {ident} ]; do n=$((n + 1)); {attempt} && exit 0; done; exit 1"
