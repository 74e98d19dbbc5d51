"""Time as Kubernetes objects spell it: Go durations (``1m30s``) and RFC 3339 instants. Pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from pydantic_core import core_schema

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler

_NANOS = {"ns": 1, "us": 10**3, "µs": 10**3, "μs": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}
_PART = re.compile(r"(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)")  # Go accepts both signs for micro
_WHOLE = re.compile(rf"[+-]?(?:{_PART.pattern})+")


class Duration(str):
    """
    A span of time as the object spells it: ``Duration("1m0s")`` stays ``1m0s``.

    Any text is accepted, so that reading a stored object never fails; only :attr:`seconds` needs a valid one.
    """

    __slots__ = ()

    @property
    def seconds(self) -> float:
        """
        The length in seconds.

        Raises:
            ValueError: The text is not a Go duration.
        """
        return _seconds(str(self))

    @classmethod
    def from_seconds(cls, seconds: float) -> Duration:
        """Return the duration as Go prints it: ``5m0s``, ``1.5s``, ``300ms``, ``0s``; exact to the nanosecond."""
        nanos = round(seconds * 10**9)
        sign, nanos = ("-", -nanos) if nanos < 0 else ("", nanos)
        return cls(sign + _print(nanos))

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_after_validator_function(cls, core_schema.str_schema())


@lru_cache(maxsize=1024)
def _seconds(text: str) -> float:
    if text in {"0", "+0", "-0"}:
        return 0.0
    if not _WHOLE.fullmatch(text):
        raise ValueError(f"'{text}' is not a duration: write numbers with units, such as 30s, 1m30s or 1h")
    total = sum(float(number) * _NANOS[unit] for number, unit in _PART.findall(text))
    return (-total if text[0] == "-" else total) / 10**9


def _print(nanos: int) -> str:
    if nanos == 0:
        return "0s"
    if nanos < 10**9:
        unit = next(u for u in ("ms", "µs", "ns") if nanos >= _NANOS[u])
        return _decimal(nanos, _NANOS[unit]) + unit
    minutes, rest = divmod(nanos, _NANOS["m"])
    hours, minutes = divmod(minutes, 60)
    text = _decimal(rest, _NANOS["s"]) + "s"
    if hours:
        return f"{hours}h{minutes}m{text}"
    return f"{minutes}m{text}" if minutes else text


def _decimal(value: int, unit: int) -> str:
    whole, rest = divmod(value, unit)
    digits = len(str(unit)) - 1
    return f"{whole}.{rest:0{digits}d}".rstrip("0").rstrip(".") if digits and rest else str(whole)


def rfc3339(moment: datetime) -> str:
    """Return an instant as Kubernetes prints it: UTC, whole seconds, ``Z``. A naive moment counts as UTC."""
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return aware.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_time(text: str) -> datetime:
    """
    Return the instant that an RFC 3339 text names, in UTC; fractions beyond microseconds are cut.

    Raises:
        ValueError: The text is no such instant.
    """
    moment = datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text))
    if moment.tzinfo is None:
        raise ValueError(f"'{text}' names no time zone")
    return moment.astimezone(UTC)
