"""The lab's second kernel: User-Mode Linux, an ordinary process with this machine's files as its root.

    this machine                                     User-Mode Linux (no network device)
    client ── FOLDER/control ── supervisor ── serial line ── agent ── a program: capnet lab …, a shell
    (a command: lab exec,       (lives as                (process 1's only child)
     scenario --kernel uml)      long as the lab)

Inside, `capnet lab up` makes the same two hosts as everywhere. What the programs write outside /run, /etc, /opt and
/var goes to this machine's own files; all else is in the memory of the process and gone with it.
"""
