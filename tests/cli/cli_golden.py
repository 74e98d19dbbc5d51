"""
Pages: what a command prints, to the letter, piped and on a terminal. ``HUB_GOLDEN=write`` writes them anew.

A page has the command, the exit code, stdout, stderr, then what the terminal shows. What differs from run to run (names
of namespaces, ports, versions, ages) is replaced by stand-ins.
"""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path

FOLDER = Path(__file__).parent / "golden"
COLUMNS = 100


def page(words, piped, shown, namespace) -> str:
    """Return the page of a command that ran twice. On a terminal somebody may have been asked, and said no."""
    assert "\x1b" not in piped.out + piped.err
    if shown.code != piped.code:
        shown = replace(shown, out=f"{shown.out}exit code {shown.code}\n")
    parts = [f"$ hubctl {' '.join(words)!r}", f"exit code {piped.code}", "--- stdout", piped.out]
    return normal("\n".join([*parts, "--- stderr", piped.err, "--- terminal", shown.out]), namespace)


def check(name: str, text: str) -> None:
    """Compare a page with the one that is kept, or keep it."""
    path = FOLDER / f"{name}.txt"
    if os.environ.get("HUB_GOLDEN") == "write":
        FOLDER.mkdir(exist_ok=True)
        path.write_text(text)
    assert text == path.read_text()


def kept(prefix: str) -> set[str]:
    """Return the names of the pages that are kept, of those with this prefix."""
    return {path.stem for path in FOLDER.glob(f"{prefix}*.txt")}


def normal(text: str, namespace: str) -> str:
    """Replace what differs from run to run by stand-ins of the same length where columns depend on it."""
    text = _SPINNER.sub("", text).replace(namespace, "test-00000000").replace("\x1b", "\\e")
    for pattern, stand_in in _STAND_INS:
        text = re.sub(pattern, stand_in, text)
    aged, count = re.subn(r"(?<!: )(?<![\w.:+\[;-])\d+[smhd](\d+[smh])?(?![\w.:+-])", "AGE", text)
    # Columns are as wide as the ages that are gone now.
    return (re.sub(r"(?<=\S) {2,}", "  ", aged) if count else text) + "\n"


_SPINNER = re.compile(r"\r\x1b\[2K(?:[⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏] [^\r\n\x1b]*)?")
"""It turns only on a slow machine."""

_STAND_INS = (
    (r"127\.0\.0\.1:\d+", "127.0.0.1:PORT"),
    (r"hubctl: v\S+", "hubctl: VERSION"),
    (r"(Kubernetes:? )v[\d.]+", r"\1VERSION"),
    (r"(kubernetes\S* )v[\d.]+", r"\1VERSION"),
    (r"(helm\S* )v[\d.]+", r"\1VERSION"),
    (r"hub \d+\.\d+\.\d+\S*", "hub VERSION"),
    (r"good until \d{4}-\S+Z", "good until TIME"),
    (r"sha256:[0-9a-f]{64}", "sha256:DIGEST"),
    (r"\+[0-9a-f]{12}\b", "+000000000000"),
    (r"sha1:[0-9a-f]{8}\b", "sha1:00000000"),
    (r"sha1:[0-9a-f]{40}\b", f"sha1:{'0' * 40}"),
    (r"VERSION, \d+ ms", "VERSION, N ms"),
    (r"(since |at )\d{4}-\d\d-\d\dT[\d:.]+Z", r"\1TIME"),
)
