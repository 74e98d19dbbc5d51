"""Sprig's arithmetic; whatever it is given becomes a number, zero when it is none. Pure."""

from __future__ import annotations

import math
from typing import Any

from hub.content.gotemplate.errors import FunctionError
from hub.content.gotemplate.function import Function

_MAX_ITEMS = 100_000


def integer(value: Any) -> int:
    """Return a value as a whole number, cut toward zero."""
    if isinstance(value, bool | int):
        return int(value)
    try:
        if isinstance(value, float):
            return int(value)
        text = str(value)
        whole, dot, rest = text.partition(".")
        return int(whole if dot and not rest.strip("0") else text)
    except (ValueError, OverflowError):
        return 0


def real(value: Any) -> float:
    """Return a value as a float."""
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return 0.0


def _divide(first: Any, second: Any) -> int:
    if not (divisor := integer(second)):
        raise FunctionError("runtime error: integer divide by zero")
    dividend = integer(first)
    return abs(dividend) // abs(divisor) * (1 if (dividend < 0) == (divisor < 0) else -1)


def _modulo(first: Any, second: Any) -> int:
    return integer(first) - _divide(first, second) * integer(second)


def _product(first: Any, *others: Any) -> int:
    return math.prod((integer(first), *map(integer, others)))


def _round(value: Any, digits: int, *threshold: float) -> float:
    power = 10.0**digits
    scaled = power * real(value)
    whole = math.floor(scaled)
    return (whole + (scaled - whole >= (threshold[0] if threshold else 0.5))) / power


def _steps(start: int, stop: int, step: int) -> list[int]:
    if step == 0 or (stop - start) * step < 0:
        return []
    numbers = range(start, stop, step)
    if len(numbers) > _MAX_ITEMS:
        raise FunctionError(f"a list of {len(numbers)} numbers is too long")
    return list(numbers)


def _until(count: int) -> list[int]:
    return _steps(0, count, -1 if count < 0 else 1)


def _seq(*bounds: int) -> str:
    match bounds:
        case (end,):
            numbers = _steps(1, end + (1 if end >= 1 else -1), 1 if end >= 1 else -1)
        case (start, end):
            sign = 1 if end >= start else -1
            numbers = _steps(start, end + sign, sign)
        case (start, step, end):
            numbers = _steps(start, end + (1 if step > 0 else -1), step)
        case _:
            return ""
    return " ".join(map(str, numbers))


NUMBERS: dict[str, Function] = {
    "add": Function(lambda *values: sum(map(integer, values)), (), object),
    "add1": Function(lambda value: integer(value) + 1, (object,)),
    "add1f": Function(lambda value: real(value) + 1, (object,)),
    "addf": Function(lambda *values: math.fsum(map(real, values)), (), object),
    "atoi": Function(integer, (str,)),
    "biggest": Function(lambda *values: max(map(integer, values)), (object,), object),
    "ceil": Function(lambda value: float(math.ceil(real(value))), (object,)),
    "div": Function(_divide, (object, object)),
    "float64": Function(real, (object,)),
    "floor": Function(lambda value: float(math.floor(real(value))), (object,)),
    "int": Function(integer, (object,)),
    "int64": Function(integer, (object,)),
    "max": Function(lambda *values: max(map(integer, values)), (object,), object),
    "maxf": Function(lambda *values: max(map(real, values)), (object,), object),
    "min": Function(lambda *values: min(map(integer, values)), (object,), object),
    "minf": Function(lambda *values: min(map(real, values)), (object,), object),
    "mod": Function(_modulo, (object, object)),
    "mul": Function(_product, (object,), object),
    "mulf": Function(lambda first, *more: math.prod((real(first), *map(real, more))), (object,), object),
    "round": Function(_round, (object, int), float),
    "seq": Function(_seq, (), int),
    "sub": Function(lambda first, second: integer(first) - integer(second), (object, object)),
    "subf": Function(lambda first, *more: real(first) - math.fsum(map(real, more)), (object,), object),
    "until": Function(_until, (int,)),
    "untilStep": Function(_steps, (int, int, int)),
}
