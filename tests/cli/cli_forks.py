"""
Runs ``hubctl`` in forks of one process, so that importing is paid once. Else a fork is a process like any other.

``python cli_forks.py`` reads orders from stdin, one JSON object for each line::

    {"id": 1, "words": ["get", "hr"], "environment": {...}, "in": PATH, "out": PATH, "err": PATH, "columns": null}

and writes ``<id> <exit code>`` to stdout when one is done. With ``columns`` it runs on a terminal of so many columns,
and all that this shows goes to ``out``.
"""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import signal
import struct
import sys
import termios
from fcntl import ioctl
from pathlib import Path

import hub.cli
from hub.cli.main import main
from hub.kube.light import lighten

MORE = ("hub.kube.client", "hub.kube.config", "hub.members.pool", "hub.api.registry", "jsonpath", "rich.live")


def serve() -> None:
    lighten()
    for module in pkgutil.iter_modules(hub.cli.__path__):
        importlib.import_module(f"hub.cli.{module.name}")
    for name in MORE:
        importlib.import_module(name)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those who watch over one command
    for line in sys.stdin:
        order = json.loads(line)
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            code = shown(order) if order["columns"] else piped(order)
            os.write(1, f"{order['id']} {code}\n".encode())
            os._exit(0)


def piped(order):
    pid = os.fork()
    if pid == 0:
        os.dup2(os.open(order["in"], os.O_RDONLY), 0)
        os.dup2(os.open(order["out"], os.O_WRONLY | os.O_CREAT), 1)
        os.dup2(os.open(order["err"], os.O_WRONLY | os.O_CREAT), 2)
        _become(order)
    return _code(pid)


def shown(order):
    ours, theirs = os.openpty()
    ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, order["columns"], 0, 0))
    pid = os.fork()
    if pid == 0:
        os.close(ours)
        os.login_tty(theirs)
        _become(order)
    os.close(theirs)
    os.write(ours, Path(order["in"]).read_bytes())
    with Path(order["out"]).open("wb") as out:
        while piece := _read(ours):
            out.write(piece)
    os.close(ours)
    return _code(pid)


def _read(main_side):
    try:
        return os.read(main_side, 1 << 16)
    except OSError:  # nobody has the other side open any more
        return b""


def _become(order):
    """Be ``hubctl`` until the end of this fork."""
    code = 70
    try:
        os.environ.clear()
        os.environ.update(order["environment"])
        sys.stdin = os.fdopen(0)
        code = main(order["words"])
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _code(pid):
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


if __name__ == "__main__":
    serve()
