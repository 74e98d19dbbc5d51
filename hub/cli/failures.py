"""Errors as one line: what went wrong, where, and what to do about it."""

from __future__ import annotations

import re

import click

from hub.errors import ApiError, Forbidden, HubError, NotFound, Unauthorized

_NO_SELECTOR = re.compile(r"unable to parse requirement|found '.*', expected: ")


class Failed(HubError):
    """
    What was asked did not come true; the message says everything.

    Attributes:
        code: What the program exits with.
    """

    def __init__(self, message: str, code: int = 1) -> None:
        super().__init__("Failed", message)
        self.code = code


class BadInput(click.ClickException):
    """What was given can be understood as a command, but not as what it stands for: a kind, a duration, a file."""

    exit_code = 1


def code_of(error: Exception) -> int:
    """Return what the program exits with after an error."""
    return error.code if isinstance(error, Failed) else 1


def explain(error: Exception) -> str | None:
    """Return the line for an error; None when it is none that we raise on purpose."""
    if isinstance(error, ExceptionGroup):
        return next((text for one in error.exceptions if (text := explain(one)) is not None), None)
    from hub.kube.client import Unreachable
    from hub.kube.config import BadKubeconfig

    match error:
        case Unreachable():
            return f"cannot reach the hub's API server: {_line(error)}; is it up, and is this the right --context?"
        case BadKubeconfig():
            return _line(error)
        case Unauthorized():
            return f"{_line(error)}; log in again or choose another --context"
        case Forbidden():
            return f"{_line(error)}; ask whoever runs the hub for a role that may"
        case NotFound() if (error.body.get("details") or {}).get("kind") == "namespaces":
            return f"{_line(error)}; 'kubectl create namespace' makes it"
        case NotFound() if is_missing_kind(error):
            return f"{_line(error)}: is this the hub's cluster? 'hubctl install' installs the hub and its kinds"
        case ApiError(status=400) if _NO_SELECTOR.search(error.message):
            return f"this is no label selector: {_line(error)}; 'app=web,tier!=cache' is one"
        case HubError():
            return _line(error)
        case TimeoutError():
            return f"there was no answer in time: {_line(error) or 'try again, or look at the network'}"
        case OSError() if error.filename:
            return f"cannot use {error.filename}: {error.strerror}"
        case _:
            return None


def is_missing_kind(error: ApiError) -> bool:
    """A missing object is named in the details of the answer; for a missing kind there are none."""
    return not (error.body.get("details") or {}).get("name")


def _line(error: Exception) -> str:
    return " ".join(str(error).split())
