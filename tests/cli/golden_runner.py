"""
Runs many ``hubctl`` commands in forks of one process, so that importing is paid once: ``python golden_runner.py FILE``.

The file is JSON: ``{"cases": {name: [argument, ...]}, "namespace": ..., "columns": ...}``. What came of each goes to
stdout, as JSON: ``{name: {"piped": [code, stdout, stderr], "shown": [code, what a terminal showed]}}``.
"""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import struct
import sys
import tempfile
import termios
from fcntl import ioctl
from pathlib import Path

import hub.cli
from hub.cli.main import main


def run(given):
    for module in pkgutil.iter_modules(hub.cli.__path__):
        importlib.import_module(f"hub.cli.{module.name}")
    for name in ("hub.kube.client", "hub.kube.config", "hub.members.pool", "hub.api.registry", "jsonpath", "rich.live"):
        importlib.import_module(name)
    found = {}
    for name, arguments in given["cases"].items():
        words = ["-n", given["namespace"], *arguments]
        found[name] = {"piped": piped(words), "shown": shown(words, given["columns"])}
    return found


def piped(words):
    with tempfile.TemporaryDirectory() as folder:
        out, err = Path(folder, "out"), Path(folder, "err")
        pid = os.fork()
        if pid == 0:
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            os.dup2(os.open(out, os.O_WRONLY | os.O_CREAT), 1)
            os.dup2(os.open(err, os.O_WRONLY | os.O_CREAT), 2)
            _become(words)
        return [_code(pid), out.read_text(), err.read_text()]


def shown(words, columns):
    ours, theirs = os.openpty()
    ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    pid = os.fork()
    if pid == 0:
        os.close(ours)
        os.login_tty(theirs)
        os.environ["TERM"] = "xterm"
        _become(words)
    os.close(theirs)
    text = b""
    while piece := _read(ours):
        text += piece
    os.close(ours)
    return [_code(pid), text.decode().replace("\r\n", "\n")]


def _read(main_side):
    try:
        return os.read(main_side, 1 << 16)
    except OSError:  # nobody has the other side open any more
        return b""


def _become(words):
    """Be ``hubctl`` until the end of this fork."""
    code = 70
    try:
        sys.stdin = os.fdopen(0)
        code = main(words)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _code(pid):
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


if __name__ == "__main__":
    json.dump(run(json.loads(Path(sys.argv[1]).read_text())), sys.stdout)
