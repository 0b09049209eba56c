"""Model Context Protocol on standard input and output: what an agent may ask of captures.

`jsonrpc` reads and answers messages, `server` speaks the protocol, `tools` lists what may be called, `answers` makes
the texts. `folders` keeps files within the folders that a person named; `fence` marks strings of captures as data.
"""
