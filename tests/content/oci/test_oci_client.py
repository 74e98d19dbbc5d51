from __future__ import annotations

import asyncio
import ssl
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from hub.content import digest as digests
from hub.content.http import Connection, Proxy, Tls
from hub.content.oci import client as module
from hub.content.oci.credentials import Credentials
from hub.content.oci.errors import (
    BadAnswer,
    BadContent,
    RegistryDenied,
    RegistryError,
    RegistryNotFound,
    RegistryUnreachable,
    TooManyRequests,
)
from hub.content.oci.manifest import EMPTY_CONFIG, Descriptor, compose_manifest
from hub.content.oci.reference import parse_repository
from hub.dev.certs import Authority
from hub.dev.registry import LocalRegistry


async def push(registry, tmp_path, *tags, content=b"layer", annotations=None):
    """Push an artifact of one layer; return the descriptors of manifest and layer."""
    (tmp_path / "config").write_bytes(b"{}")
    (tmp_path / "layer").write_bytes(content)
    config = await registry.push(tmp_path / "config", EMPTY_CONFIG)
    layer = await registry.push(tmp_path / "layer", "application/x.layer")
    data = compose_manifest(config, [layer], annotations or {})
    pushed = None
    for tag in tags:
        pushed = await registry.push_manifest(data, tag)
    return pushed, layer


async def test_what_is_pushed_comes_back(registry, tmp_path):
    pushed, layer = await push(registry, tmp_path, "1.0.0", content=b"x" * 3_000_000, annotations={"a": "b"})
    assert await registry.tags() == ["1.0.0"]
    assert (await registry.resolve("1.0.0")).digest == pushed.digest
    assert (await registry.resolve(pushed.digest)).digest == pushed.digest
    manifest = await registry.manifest("1.0.0")
    assert manifest.descriptor == pushed
    assert manifest.annotations == {"a": "b"}
    assert manifest.layers == (layer,)
    assert await registry.read(manifest.config) == b"{}"
    await registry.fetch(layer, tmp_path / "got")
    assert (tmp_path / "got").read_bytes() == b"x" * 3_000_000


async def test_every_page_of_tags(registry, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_PAGE", 2)
    names = [f"1.0.{n}" for n in range(7)]
    await push(registry, tmp_path, *names)
    assert sorted(await registry.tags()) == names


async def test_what_is_not_there(registry, tmp_path):
    with pytest.raises(RegistryNotFound, match=r"not found"):
        await registry.tags()
    await push(registry, tmp_path, "1")
    with pytest.raises(RegistryNotFound, match=r"manifest unknown"):
        await registry.manifest("2")
    with pytest.raises(RegistryNotFound):
        await registry.resolve(digests.of_bytes(b"other"))
    with pytest.raises(RegistryNotFound):
        await registry.fetch(Descriptor("x", digests.of_bytes(b"other"), 5), tmp_path / "got")


async def test_sizes_are_limits(registry, tmp_path):
    _, layer = await push(registry, tmp_path, "1")
    with pytest.raises(BadContent, match="larger than 4 bytes"):
        await registry.fetch(layer, tmp_path / "got", max_size=4)
    with pytest.raises(BadContent, match="larger than the 4 bytes it promised"):
        await registry.fetch(Descriptor("x", layer.digest, 4), tmp_path / "got")
    with pytest.raises(BadContent, match=r"was cut: 5 of 6 bytes"):
        await registry.fetch(Descriptor("x", layer.digest, 6), tmp_path / "got")


@pytest.mark.parametrize(
    ("credentials", "message"),
    [
        pytest.param(None, "wants a user name and a password", id="nobody"),
        pytest.param(Credentials("user", "wrong"), "does not accept the credentials", id="wrong password"),
    ],
)
async def test_basic_login(registries, tmp_path, credentials, message):
    async with LocalRegistry(tmp_path / "registry", username="user", password="s3cret") as server:
        repository = parse_repository(server.repository("app"))
        ours = registries.open(repository, Credentials("user", "s3cret"), insecure=True)
        await push(ours, tmp_path, "1")
        assert await ours.tags() == ["1"]
        with pytest.raises(RegistryDenied, match=message) as caught:
            await registries.open(repository, credentials, insecure=True).tags()
        assert "s3cret" not in str(caught.value)
        assert "wrong" not in str(caught.value)


async def test_tls_and_client_certificates(registries, tmp_path):
    authority, clients = Authority(tmp_path, "servers"), Authority(tmp_path, "clients")
    pair = authority.server("registry")
    mine = clients.client("me", "me")
    ca = authority.pair.cert.read_bytes()
    async with LocalRegistry(tmp_path / "registry", pair=pair, client_ca=clients.pair.cert) as server:
        repository = parse_repository(server.repository("app"))
        tls = Tls(ca, mine.cert.read_bytes(), mine.key.read_bytes())
        ours = registries.open(repository, connection=Connection(tls))
        await push(ours, tmp_path, "1")
        assert await ours.tags() == ["1"]
        with pytest.raises(RegistryUnreachable, match="signed by an unknown authority"):
            await registries.open(repository).tags()
        with pytest.raises(RegistryUnreachable, match="does not accept our client certificate"):
            await registries.open(repository, connection=Connection(Tls(ca))).tags()


# What registries that misbehave do: a server of a few lines each.


@asynccontextmanager
async def serving(handler, **more):
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, **more).start()
    try:
        yield f"127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def answers(*, body=b"", status=200, content_type="application/json", headers=None):
    async def handler(_request):
        return web.Response(body=body, status=status, content_type=content_type, headers=headers)

    return handler


async def cut(request):
    response = web.StreamResponse(headers={"Content-Length": "5"})
    await response.prepare(request)
    await response.write(b"la")
    request.transport.abort()
    return response


LAYER = Descriptor("x", digests.of_bytes(b"layer"), 5)


@pytest.mark.parametrize(
    ("handler", "call", "error", "message"),
    [
        pytest.param(
            answers(body=b"<html>", content_type="text/html"),
            lambda one, _: one.tags(),
            BadAnswer,
            "answers with a web page, not as a registry",
            id="a web page in place of tags",
        ),
        pytest.param(
            answers(body=b"<html>", content_type="text/html"),
            lambda one, _: one.manifest("1"),
            BadAnswer,
            "answers with a web page, not as a registry",
            id="a web page in place of a manifest",
        ),
        pytest.param(
            answers(body=b"<html>"), lambda one, _: one.tags(), BadAnswer, "not answer in JSON", id="a lying web page"
        ),
        pytest.param(answers(body=b"[]"), lambda one, _: one.tags(), BadAnswer, "unknown shape", id="a list"),
        pytest.param(
            answers(body=b"[" * 100_000), lambda one, _: one.tags(), BadAnswer, "not answer in JSON", id="a tower"
        ),
        pytest.param(
            answers(body=b"[" * 100_000), lambda one, _: one.manifest("1"), BadAnswer, "not JSON", id="another tower"
        ),
        pytest.param(
            answers(body=b'{"tags": "x"}'), lambda one, _: one.tags(), BadAnswer, "list of tags", id="tags are text"
        ),
        pytest.param(
            answers(body=b'{"schemaVersion": 1}'),
            lambda one, _: one.manifest("1"),
            BadAnswer,
            "schemaVersion 2 is expected",
            id="an old manifest",
        ),
        pytest.param(
            answers(body=b'{"schemaVersion": 2, "layers": [{"size": 1, "digest": "md5:1"}]}'),
            lambda one, _: one.manifest("1"),
            BadAnswer,
            "only sha256 is supported",
            id="another digest",
        ),
        pytest.param(
            answers(body=b'{"schemaVersion": 2}', headers={"Docker-Content-Digest": LAYER.digest}),
            lambda one, _: one.manifest("1"),
            BadContent,
            "digest mismatch",
            id="a wrong digest of a manifest",
        ),
        pytest.param(
            answers(body=b"leyar"),
            lambda one, path: one.fetch(LAYER, path),
            BadContent,
            "digest mismatch",
            id="a wrong digest of a blob",
        ),
        pytest.param(
            answers(body=b"x" * 9),
            lambda one, path: one.fetch(LAYER, path),
            BadContent,
            "larger than the 5 bytes it promised",
            id="too many bytes",
        ),
        pytest.param(
            cut, lambda one, path: one.fetch(LAYER, path), RegistryUnreachable, "closed the connection", id="cut"
        ),
        pytest.param(answers(status=500), lambda one, _: one.tags(), RegistryError, "answered 500", id="trouble"),
        pytest.param(
            answers(status=429, headers={"Retry-After": "7"}),
            lambda one, _: one.tags(),
            TooManyRequests,
            "too many requests",
            id="too many requests",
        ),
        pytest.param(
            answers(body=b'{"errors": [{"code": "DENIED", "message": "no pull for you"}]}', status=403),
            lambda one, _: one.tags(),
            RegistryDenied,
            r"403 Forbidden\): no pull for you",
            id="forbidden",
        ),
        pytest.param(
            answers(status=401, headers={"WWW-Authenticate": "Negotiate"}),
            lambda one, _: one.tags(),
            RegistryDenied,
            "logged in to by 'negotiate'",
            id="unknown login",
        ),
        pytest.param(
            answers(status=401, headers={"WWW-Authenticate": 'Bearer realm="ftp://x/token"'}),
            lambda one, _: one.tags(),
            BadAnswer,
            "only https:// is trusted",
            id="odd token server",
        ),
        pytest.param(
            answers(body=b'{"tags": ["a"]}', headers={"Link": '<http://example.com/v2/x>; rel="next"'}),
            lambda one, _: one.tags(),
            BadAnswer,
            "sends us to another host",
            id="next page elsewhere",
        ),
    ],
)
async def test_misbehaviour_has_a_name(*, registries, tmp_path, handler, call, error, message):
    async with serving(handler) as host:
        registry = registries.open(parse_repository(f"{host}/app"), Credentials("u", "s3cret"), insecure=True)
        with pytest.raises(error, match=message) as caught:
            await call(registry, tmp_path / "got")
        assert type(caught.value) is error
        assert "s3cret" not in str(caught.value)
        if isinstance(caught.value, TooManyRequests):
            assert caught.value.after == 7


async def test_a_server_that_stalls_is_given_up(registries, monkeypatch):
    released = asyncio.Event()

    async def stall(_request):
        await released.wait()
        return web.Response()

    monkeypatch.setattr("hub.content.http.TIMEOUT", module.aiohttp.ClientTimeout(sock_read=0.2))
    async with serving(stall) as host:
        with pytest.raises(RegistryUnreachable, match="did not answer in time"):
            await registries.open(parse_repository(f"{host}/app"), insecure=True).tags()
        released.set()


async def test_tls_where_there_is_none(registries):
    async with serving(answers()) as host:
        with pytest.raises(RegistryUnreachable, match=r"does not speak TLS: spec\.insecure allows plain HTTP"):
            await registries.open(parse_repository(f"{host}/app")).tags()


class TokenServer:
    """A registry that wants tokens, and the server that gives them."""

    def __init__(self):
        self.asked = []

    async def answer(self, request):
        if request.path == "/token":
            form = dict(request.query) | dict(await request.post())
            self.asked.append((request.method, form, request.headers.get("Authorization", "")))
            return web.json_response({"access_token": "t0ken", "expires_in": 300})
        if request.headers.get("Authorization") != "Bearer t0ken":
            realm = f"http://{request.host}/token"
            challenge = f'Bearer realm="{realm}",service="reg",scope="repository:app:pull"'
            return web.Response(status=401, headers={"WWW-Authenticate": challenge})
        return web.json_response({"tags": ["1"]})


@pytest.mark.parametrize(
    ("credentials", "method", "form", "authorization"),
    [
        pytest.param(None, "GET", {}, "", id="nobody"),
        pytest.param(Credentials("u", "p"), "GET", {}, "Basic dTpw", id="password"),
        pytest.param(
            Credentials(identity_token="i"),
            "POST",
            {"grant_type": "refresh_token", "refresh_token": "i", "client_id": "hub"},
            "",
            id="identity token",
        ),
    ],
)
async def test_tokens_are_exchanged_and_kept(registries, credentials, method, form, authorization):
    server = TokenServer()
    async with serving(server.answer) as host:
        for _ in range(3):
            registry = registries.open(parse_repository(f"{host}/app"), credentials, insecure=True)
            assert await registry.tags() == ["1"]
    scope = {"service": "reg", "scope": "repository:app:pull"}
    assert server.asked == [(method, scope | form, authorization)]


async def test_our_login_does_not_follow_a_redirect_to_another_host(registries, tmp_path):
    seen = []

    async def storage(request):
        seen.append(request.headers.get("Authorization"))
        return web.Response(body=b"layer")

    async with serving(storage) as elsewhere:

        async def registry(request):
            if not request.headers.get("Authorization"):
                return web.Response(status=401, headers={"WWW-Authenticate": 'Basic realm="x"'})
            raise web.HTTPTemporaryRedirect(f"http://{elsewhere.replace('127.0.0.1', 'localhost')}/blob")

        async with serving(registry) as host:
            ours = registries.open(parse_repository(f"{host}/app"), Credentials("u", "p"), insecure=True)
            await ours.fetch(LAYER, tmp_path / "got")
    assert seen == [None]


async def test_a_proxy_is_used_and_logged_in_to(registries):
    seen = []

    async def proxy(request):
        seen.append((request.raw_path, request.headers.get("Proxy-Authorization")))
        return web.json_response({"tags": ["1"]})

    async with serving(proxy) as host:
        connection = Connection(proxy=Proxy(f"http://{host}", "u", "p"))
        repository = parse_repository("registry.example.com/app")
        assert await registries.open(repository, connection=connection, insecure=True).tags() == ["1"]
    assert seen == [("http://registry.example.com/v2/app/tags/list?n=1000", "Basic dTpw")]


@pytest.mark.parametrize(
    ("valid", "message"),
    [pytest.param(False, "has expired", id="expired"), pytest.param(True, "for another host name", id="another host")],
)
async def test_certificates_that_do_not_fit(registries, tmp_path, certificate, valid, message):
    ca, pair = certificate(expired=not valid, host="other.example.com" if valid else "127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*pair)
    async with serving(answers(), ssl_context=context) as host:
        registry = registries.open(parse_repository(f"{host}/app"), connection=Connection(Tls(ca)))
        with pytest.raises(RegistryUnreachable, match=message):
            await registry.tags()
