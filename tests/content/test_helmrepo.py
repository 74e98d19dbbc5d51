from __future__ import annotations

import ssl

import aiohttp
import pytest
from aiohttp import web

from hub.content.helmrepo import HelmRepo, HelmRepos, RepositoryFailed
from hub.content.http import BadProxyError, BadTlsError, Connection, Proxy, Tls, tls_context
from hub.dev.certs import Authority


@pytest.mark.parametrize(
    ("base", "url", "want"),
    [
        pytest.param("https://a.io/charts", "web-1.tgz", "https://a.io/charts/web-1.tgz", id="beside the index"),
        pytest.param("https://a.io/charts/", "sub/web-1.tgz", "https://a.io/charts/sub/web-1.tgz", id="below it"),
        pytest.param("https://a.io/charts", "/web-1.tgz", "https://a.io/web-1.tgz", id="from the root"),
        pytest.param("https://a.io/charts", "https://b.io/web-1.tgz", "https://b.io/web-1.tgz", id="elsewhere"),
        pytest.param("https://a.io/c?sig=x", "web-1.tgz", "https://a.io/c/web-1.tgz?sig=x", id="a token in the query"),
    ],
)
def test_where_a_package_is(base, url, want):
    assert HelmRepo(base).absolute(url) == want


def test_where_the_index_is():
    assert HelmRepo("https://a.io/charts/").index_url == "https://a.io/charts/index.yaml"
    assert HelmRepo("https://a.io?sig=x").index_url == "https://a.io/index.yaml?sig=x"


@pytest.mark.parametrize(
    ("url", "everywhere", "sent"),
    [
        pytest.param("https://a.io/web.tgz", False, True, id="the same origin"),
        pytest.param("https://b.io/web.tgz", False, False, id="another host"),
        pytest.param("https://a.io:8443/web.tgz", False, False, id="another port"),
        pytest.param("http://a.io/web.tgz", False, False, id="without TLS"),
        pytest.param("https://b.io/web.tgz", True, True, id="passCredentials"),
    ],
)
def test_who_is_told_the_password(url, everywhere, sent):
    repo = HelmRepo("https://a.io/charts", "user", "s3cret", pass_credentials=everywhere)
    assert bool(repo.login_for(url)) is sent
    assert "s3cret" not in repr(repo)


class Server:
    """Answers every path with ``body``, or by ``handler``."""

    def __init__(self, body=b"index", handler=None, **site):
        self.seen = []
        self.body = body
        self.handler = handler
        self.site = site

    async def __aenter__(self):
        app = web.Application()
        app.router.add_get("/{path:.*}", self._serve)
        self.runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self.runner.setup()
        await web.TCPSite(self.runner, "127.0.0.1", 0, **self.site).start()
        self.port = self.runner.addresses[0][1]
        self.url = f"{'https' if self.site else 'http'}://127.0.0.1:{self.port}"
        return self

    async def __aexit__(self, *_):
        await self.runner.cleanup()

    async def _serve(self, request):
        self.seen.append(request.headers.get("Authorization"))
        return await self.handler(request) if self.handler else web.Response(body=self.body)


@pytest.fixture
async def repos():
    async with aiohttp.ClientSession() as session:
        yield HelmRepos(lambda: session, max_index=100, max_chart=10)


async def test_a_redirect_to_another_host_does_not_carry_the_password(repos, tmp_path):
    async with Server() as elsewhere:

        async def away(request):
            raise web.HTTPFound(f"http://localhost:{elsewhere.port}{request.path}")

        async with Server(handler=away) as server:
            repo = HelmRepo(server.url, "user", "s3cret")
            await repos.fetch_index(repo, tmp_path / "index", "")
    assert server.seen[0].startswith("Basic ")
    assert elsewhere.seen == [None]
    assert (tmp_path / "index").read_bytes() == b"index"


async def cut(request):
    response = web.StreamResponse(headers={"Content-Length": "50"})
    await response.prepare(request)
    await response.write(b"x")
    request.transport.abort()
    return response


async def status(code):
    return web.Response(status=code, body=b"<html>")


@pytest.mark.parametrize(
    ("server", "message", "denied"),
    [
        pytest.param(Server(b"x" * 101), "it is larger than 100 bytes", False, id="too large"),
        pytest.param(Server(handler=cut), "closed the connection before its answer was complete", False, id="cut"),
        pytest.param(Server(handler=lambda _: status(404)), ": 404 Not Found", False, id="not there"),
        pytest.param(Server(handler=lambda _: status(500)), ": 500 Internal Server Error", False, id="in trouble"),
        pytest.param(
            Server(handler=lambda _: status(403)), ": 403: the credentials are not accepted", True, id="forbidden"
        ),
    ],
)
async def test_why_an_index_cannot_be_had(repos, tmp_path, server, message, denied):
    async with server:
        with pytest.raises(RepositoryFailed) as caught:
            await repos.fetch_index(HelmRepo(f"{server.url}?sig=s3cret", "u", "s3cret"), tmp_path / "index", "")
    assert caught.value.message.startswith(f"failed to fetch {server.url}/index.yaml : ")
    assert message in caught.value.message
    assert caught.value.denied is denied
    assert "s3cret" not in caught.value.message


async def test_a_package_has_a_limit_of_its_own_and_a_scheme(repos, tmp_path):
    async with Server(b"x" * 11) as server:
        with pytest.raises(RepositoryFailed, match="larger than 10 bytes"):
            await repos.fetch_chart(HelmRepo(server.url), "web.tgz", tmp_path / "web.tgz")
    with pytest.raises(RepositoryFailed, match="only http and https are supported"):
        await repos.fetch_chart(HelmRepo(server.url), "file:///etc/passwd", tmp_path / "web.tgz")


async def test_a_private_authority(repos, tmp_path):
    authority = Authority(tmp_path, "ca")
    pair = authority.server("repo")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.cert, pair.key)
    async with Server(ssl_context=context) as server:
        trusting = HelmRepo(server.url, connection=Connection(Tls(authority.pair.cert.read_bytes())))
        await repos.fetch_index(trusting, tmp_path / "index", "")
        with pytest.raises(RepositoryFailed, match="signed by an unknown authority") as caught:
            await repos.fetch_index(HelmRepo(server.url), tmp_path / "index", "")
    assert caught.value.denied


def test_bad_certificates(tmp_path):
    authority = Authority(tmp_path, "ca")
    one, other = authority.client("one", "one"), authority.client("other", "other")
    for tls, message in (
        (Tls(b"text"), "'ca.crt' does not hold a PEM certificate"),
        (Tls(certificate=one.cert.read_bytes()), "must be given together"),
        (Tls(b"", one.cert.read_bytes(), other.key.read_bytes()), "do not belong together"),
        (Tls(b"", b"text", b"text"), "are not PEM"),
    ):
        with pytest.raises(BadTlsError, match=message):
            tls_context(tls)


@pytest.mark.parametrize("address", ["", "proxy:3128", "socks5://proxy:1080", "http://" + "x" * 2048])
def test_bad_proxies(address):
    with pytest.raises(BadProxyError, match="must look like http://host:port"):
        Connection(proxy=Proxy(address)).options()
