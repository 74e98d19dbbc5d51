"""
Credential plugins (client.authentication.k8s.io): programs that print a token or a client certificate.

Not left to ``kubernetes.aio``: its runner neither bounds the time nor ends a program that hangs.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
from dataclasses import dataclass, field
from typing import Any


class CredentialError(ValueError):
    """Credentials could not be had; the message names the plugin or the file, never what it gave."""


@dataclass(frozen=True, slots=True)
class ExecPlugin:
    """A program that prints credentials."""

    command: str
    api_version: str
    args: tuple[str, ...] = ()
    env: tuple[tuple[str, str], ...] = field(default=(), repr=False)


async def run_exec_plugin(plugin: ExecPlugin, timeout: float = 30.0) -> dict[str, Any]:
    """
    Return the ``status`` that a plugin printed: ``token`` or ``clientCertificateData`` and ``clientKeyData``.

    Raises:
        CredentialError: The plugin is missing, failed, was too slow or printed something else.
    """
    name = repr(plugin.command)
    try:
        async with asyncio.timeout(timeout):
            returncode, output, complaint = await _run(plugin)
    except TimeoutError:
        raise CredentialError(f"exec plugin {name} did not finish within {timeout:g} s") from None
    except OSError as error:
        raise CredentialError(f"exec plugin {name} cannot be started: {error.strerror}") from error
    if returncode:
        raise CredentialError(f"exec plugin {name} ended with exit code {returncode}: {complaint[-300:]}")
    return _status(plugin, output)


async def _run(plugin: ExecPlugin) -> tuple[int, bytes, str]:
    request = {"apiVersion": plugin.api_version, "kind": "ExecCredential", "spec": {"interactive": False}}
    process = await asyncio.create_subprocess_exec(
        plugin.command,
        *plugin.args,
        env={**os.environ, **dict(plugin.env), "KUBERNETES_EXEC_INFO": json.dumps(request)},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,  # plugins are often wrappers: the whole group is ended, not the wrapper alone
    )
    try:
        output, complaint = await process.communicate()
    except asyncio.CancelledError:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.communicate()
        raise
    return process.returncode or 0, output, complaint.decode("utf-8", "replace").strip()


def _status(plugin: ExecPlugin, output: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(output)
    except ValueError:
        answer = None
    status = answer.get("status") if isinstance(answer, dict) else None
    if not isinstance(status, dict) or not (status.get("token") or status.get("clientCertificateData")):
        raise CredentialError(f"exec plugin {plugin.command!r} printed no credentials")
    return status
