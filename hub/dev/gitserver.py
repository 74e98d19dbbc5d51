"""
A real Git server for the demo and the tests: smart HTTP, with Git's own ``http-backend`` behind aiohttp.

``python -m hub.dev.gitserver DIR [--port PORT]`` serves every bare repository in DIR, to fetch and to push, as
``http://127.0.0.1:PORT/NAME.git``. A repository can be told to misbehave (:class:`Fault`).
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import contextlib
import hmac
import os
import re
import shutil
import tempfile
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Self

from aiohttp import web

from hub.errors import ToolFailed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    Files = Mapping[str, str | bytes | Path | None]
    """Content by path; a ``Path`` is the target of a symbolic link, None removes the file."""

_CHUNK = 64 * 1024
_AUTHOR = {"NAME": "Example", "EMAIL": "example@hubctl.io"}
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


class Fault(StrEnum):
    """How a repository misbehaves."""

    NONE = "none"
    HANG = "hang"  # takes the request and never answers
    ERROR = "error"  # 500
    NOT_GIT = "not-git"  # 200 and a web page
    CUT = "cut"  # announces more than it sends, then closes


class GitServer:
    """
    Serves the bare repositories of one folder; an async context manager.

    Args:
        root: The folder; made when missing.
        host: Address to listen on.
        port: 0 picks a free one.
        username: With ``password``: asked of everybody (basic auth).
        password: See ``username``; may be changed while serving.
    """

    def __init__(
        self, root: Path, *, host: str = "127.0.0.1", port: int = 0, username: str = "", password: str = ""
    ) -> None:
        self.root = root.absolute()
        self.username = username
        self.password = password
        self.faults: dict[str, Fault] = {}
        self.requests: list[str] = []
        self._host = host
        self._port = port
        self._runner: web.AppRunner | None = None
        self._released = asyncio.Event()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Listen."""
        self.root.mkdir(parents=True, exist_ok=True)
        self._released.clear()
        app = web.Application(client_max_size=0)
        app.router.add_route("*", "/{name}/{path:.*}", self._serve)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._host, self._port)
        await site.start()
        self._port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Stop listening; the port stays ours for another :meth:`start`."""
        self._released.set()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    @property
    def address(self) -> str:
        """``http://host:port``."""
        return f"http://{self._host}:{self._port}"

    def url(self, name: str) -> str:
        """Return the URL of a repository, without credentials."""
        return f"{self.address}/{name}.git"

    async def create(self, name: str, source: Path | None = None, branch: str = "master") -> str:
        """Make a bare repository, with the files of ``source`` as its first commit; return the commit or nothing."""
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name!r} cannot be the name of a repository")
        bare = self.root / f"{name}.git"
        await run_git("init", "--quiet", "--bare", f"--initial-branch={branch}", str(bare))
        await run_git("config", "http.receivepack", "true", cwd=bare)
        await run_git("config", "uploadpack.allowAnySHA1InWant", "true", cwd=bare)
        await run_git("config", "uploadpack.allowFilter", "true", cwd=bare)
        if source is None:
            return ""
        return await self.commit(name, _files_of(source), message="Initial commit", branch=branch)

    async def commit(
        self,
        name: str,
        files: Files,
        *,
        message: str = "Change",
        branch: str = "master",
        tag: str | None = None,
    ) -> str:
        """
        Add a commit that writes ``files`` to a branch, as a push would; return its 40 hex digits.

        A branch that does not exist starts at the default branch.
        """
        with tempfile.TemporaryDirectory(prefix="hub-git-") as folder:
            work = Path(folder) / "work"
            await run_git("clone", "--quiet", str(self.root / f"{name}.git"), str(work))
            with contextlib.suppress(ToolFailed):  # a new branch, or the first commit of all
                await run_git("checkout", "--quiet", branch, cwd=work)
            await run_git("checkout", "--quiet", "-B", branch, cwd=work)
            return await commit_and_push(work, files, message=message, branch=branch, tag=tag)

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"].removesuffix(".git")
        self.requests.append(f"{request.method} {request.path_qs}")
        misbehaved = await self._misbehave(self.faults.get(name, Fault.NONE), request)
        if misbehaved is not None:
            return misbehaved
        if not self._may(request.headers.get("Authorization", "")):
            return web.Response(status=401, headers={"WWW-Authenticate": 'Basic realm="git"'}, text="who are you?\n")
        if not (self.root / f"{name}.git").is_dir():
            return web.Response(status=404, text="no such repository\n")
        return await self._backend(request, f"/{name}.git/{request.match_info['path']}")

    def _may(self, authorization: str) -> bool:
        if not self.username:
            return True
        wanted = base64.b64encode(f"{self.username}:{self.password}".encode()).decode()
        return hmac.compare_digest(authorization.encode(), f"Basic {wanted}".encode())

    async def _misbehave(self, fault: Fault, request: web.Request) -> web.StreamResponse | None:
        match fault:
            case Fault.NONE:
                return None
            case Fault.HANG:
                await self._released.wait()
                return web.Response(status=503)
            case Fault.ERROR:
                return web.Response(status=500, text="out of order\n")
            case Fault.NOT_GIT:
                return web.Response(text="<html><body>Welcome</body></html>\n", content_type="text/html")
            case Fault.CUT:
                response = web.StreamResponse(headers={"Content-Length": "100000"})
                response.content_type = "application/x-git-upload-pack-advertisement"
                await response.prepare(request)
                await response.write(b"001e# service=git-upload-pack\n0000")
                if request.transport is not None:
                    request.transport.abort()
                return response

    async def _backend(self, request: web.Request, path: str) -> web.StreamResponse:
        """Run ``git http-backend`` as CGI: the request on its input, headers and body on its output."""
        process = await asyncio.create_subprocess_exec(
            "git",
            "http-backend",
            env={**_environment(), **self._cgi(request, path)},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        feeding = asyncio.create_task(_feed(request, process))
        try:
            return await _answer(request, process)
        except BaseException:  # nobody reads the rest; a process that has said all is left to end by itself
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
            raise
        finally:
            feeding.cancel()
            await asyncio.gather(feeding, _ended(process), return_exceptions=True)

    def _cgi(self, request: web.Request, path: str) -> dict[str, str]:
        # No Content-Encoding: git packs what is longer than a kilobyte, and aiohttp has unpacked it already.
        return {
            "GIT_PROJECT_ROOT": str(self.root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_PROTOCOL": request.headers.get("Git-Protocol", ""),
            "REQUEST_METHOD": request.method,
            "PATH_INFO": path,
            "QUERY_STRING": request.query_string,
            "CONTENT_TYPE": request.headers.get("Content-Type", ""),
            "REMOTE_USER": self.username or "anonymous",
            "REMOTE_ADDR": request.remote or "",
        }


async def commit_and_push(
    work: Path,
    files: Files,
    *,
    message: str = "Change",
    branch: str = "master",
    tag: str | None = None,
) -> str:
    """Write ``files`` into the checkout ``work``, commit and push them; return the commit's 40 hex digits."""
    for path, content in files.items():
        _write(work / path, content)
    await run_git("add", "--all", "--force", cwd=work)
    await run_git("commit", "--quiet", "--allow-empty", "--message", message, cwd=work)
    refs = [branch]
    if tag is not None:
        await run_git("tag", tag, cwd=work)
        refs.append(tag)
    await run_git("push", "--quiet", "origin", *refs, cwd=work)
    return (await run_git("rev-parse", "HEAD", cwd=work)).strip()


async def run_git(*args: str, cwd: Path | None = None) -> str:
    """
    Run git without anybody's configuration; return what it prints.

    Raises:
        ToolFailed: It said no.
    """
    process = await asyncio.create_subprocess_exec(
        "git",
        *args,
        cwd=cwd,
        env=_environment(),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await process.communicate()
    if process.returncode:
        raise ToolFailed("git", process.returncode, errors.decode(errors="replace").strip()[-2000:])
    return output.decode(errors="replace")


def _environment() -> dict[str, str]:
    who = {f"GIT_{role}_{key}": value for role in ("AUTHOR", "COMMITTER") for key, value in _AUTHOR.items()}
    bare = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    return {**bare, **who, "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull, "GIT_TERMINAL_PROMPT": "0"}


def _write(target: Path, content: str | bytes | Path | None) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if content is None or isinstance(content, Path):
        target.unlink(missing_ok=content is not None)
    if isinstance(content, Path):
        target.symlink_to(content)
    elif content is not None:
        target.write_bytes(content.encode() if isinstance(content, str) else content)


def _files_of(source: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(source)): path.read_bytes()
        for path in sorted(source.rglob("*"))
        if path.is_file() and ".git" not in path.relative_to(source).parts
    }


async def _feed(request: web.Request, process: asyncio.subprocess.Process) -> None:
    stdin = process.stdin
    if stdin is None:
        return
    with contextlib.suppress(ConnectionError):  # git read as much as it wanted
        async for chunk in request.content.iter_chunked(_CHUNK):
            stdin.write(chunk)
            await stdin.drain()
    stdin.close()


async def _answer(request: web.Request, process: asyncio.subprocess.Process) -> web.StreamResponse:
    output = process.stdout
    if output is None:
        return web.Response(status=500)
    response = web.StreamResponse()
    async for name, value in _headers(output):
        if name.lower() == "status":
            response.set_status(int(value.split()[0]))
        else:
            response.headers[name] = value
    await response.prepare(request)
    while chunk := await output.read(_CHUNK):
        await response.write(chunk)
    await response.write_eof()
    return response


async def _ended(process: asyncio.subprocess.Process) -> None:
    """Wait for the end of a process; what it still prints is read, for it has not ended before its pipes have."""
    while process.stdout is not None and await process.stdout.read(_CHUNK):
        pass
    await process.wait()


async def _headers(output: asyncio.StreamReader) -> AsyncIterator[tuple[str, str]]:
    while line := (await output.readline()).strip():
        name, _, value = line.decode("latin-1").partition(":")
        yield name.strip(), value.strip()


async def _serve_forever(root: Path, port: int) -> None:
    async with GitServer(root, port=port) as server:
        print(server.address, flush=True)  # noqa: T201  # the program's output: where it listens
        await asyncio.Event().wait()


def main() -> None:
    """Serve a folder until interrupted."""
    parser = argparse.ArgumentParser(prog="python -m hub.dev.gitserver", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("folder", type=Path, help="folder of bare repositories, NAME.git each")
    parser.add_argument("--port", type=int, default=0, help="default: a free one, which is printed")
    options = parser.parse_args()
    if shutil.which("git") is None:
        parser.error("git is not on PATH")
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve_forever(options.folder, options.port))


if __name__ == "__main__":
    main()
