"""
How fast the hub is, and what it costs: ``make bench``.

Everything is real: API servers, a Git server in its own process, the hub as an operator runs it, Helm. Times differ
from machine to machine, so the same upgrades by the bare helm command line are measured in between, and compared with.
"""
