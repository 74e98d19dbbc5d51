"""
Log lines with identity: every line written inside :func:`bind` carries the object it is about.

Messages are constant and variables travel as ``extra`` keys, so that lines can be counted and searched. Text for
people, JSON for machines (the keys are those of Flux's controllers: ``ts``, ``level``, ``msg``, ``name``).

Nobody should log a secret. Whatever looks like one is masked all the same, in messages, values and tracebacks.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

_identity: ContextVar[dict[str, str]] = ContextVar("identity")
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_MASK = "***"
_SECRETS = (
    (re.compile(r"-----BEGIN ([A-Z ]*)PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL), _MASK),
    (re.compile(r"://[^/\s@:]*:[^/\s@]+@"), f"://{_MASK}@"),
    (re.compile(r"\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*"), _MASK),
    (re.compile(r"(?i)\b(bearer\s+)[\w.~+/=-]{12,}"), rf"\1{_MASK}"),
    (re.compile(r"(?i)(authorization\W{1,4}(?:basic|bearer)\s+)\S+"), rf"\1{_MASK}"),
    (re.compile(r"(?i)\b((?:[\w-]*[_-])?(?:password|passwd|token)[\"']?\s*[=:]\s*[\"']?)[^\s\"',;&}]+"), rf"\1{_MASK}"),
)
_QUIET = ("aiohttp", "asyncio", "git", "kopf", "kubernetes", "pyhelm3", "urllib3")


@contextmanager
def bind(**identity: str) -> Iterator[None]:
    """Give every log line of this task, and of those it starts, these keys."""
    token = _identity.set(_identity.get({}) | identity)
    try:
        yield
    finally:
        _identity.reset(token)


def setup(level: str, form: str) -> None:
    """
    Send the logs of this process to stderr.

    Args:
        level: ``debug``, ``info``, ``warning`` or ``error``; third parties are heard from warnings on.
        form: ``text`` or ``json``.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if form == "json" else TextFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)


def redact(text: str) -> str:
    """Mask what looks like a password, a token or a private key."""
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return text


class TextFormatter(logging.Formatter):
    """``2026-01-02T03:04:05.678Z info HelmRelease/ns/name Running action action=upgrade``."""

    def format(self, record: logging.LogRecord) -> str:
        """Return one line, and the traceback if there is one."""
        fields = _fields(record)
        who = "/".join(fields.pop(key) for key in ("kind", "namespace", "name") if key in fields)
        words = [_time(record), record.levelname.lower(), *([who] if who else []), record.getMessage()]
        words += [f"{key}={_quoted(value)}" for key, value in fields.items()]
        line = " ".join(words)
        return redact(f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line)


class JsonFormatter(logging.Formatter):
    """One JSON object for each line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return one line; a traceback becomes the key ``error``."""
        line: dict[str, Any] = {"level": record.levelname.lower(), "ts": _time(record), "msg": record.getMessage()}
        line |= _fields(record)
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        line = {key: redact(value) if isinstance(value, str) else value for key, value in line.items()}
        return json.dumps(line, default=lambda value: redact(str(value)), ensure_ascii=False)


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    extra = {key: value for key, value in vars(record).items() if key not in _STANDARD}
    return _identity.get({}) | extra


def _time(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, tz=UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _quoted(value: object) -> str:
    text = str(value)
    return json.dumps(text, ensure_ascii=False) if not text or any(c.isspace() or c == '"' for c in text) else text
