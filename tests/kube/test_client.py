"""The client on a real API server, and on servers that misbehave on purpose."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import ssl
import time
from dataclasses import replace
from pathlib import Path

import pytest

import hub.kube.client
from hub.api.meta import CONFIG_MAPS, NAMESPACES, SECRETS, SERVICE_ACCOUNTS, Api
from hub.errors import ApiError, Conflict, Forbidden, Invalid, NotFound, Unauthorized
from hub.kube.client import Cause, Client, Unreachable

BINDINGS = Api("rbac.authorization.k8s.io", "v1", "RoleBinding", "rolebindings")


def config_map(name, namespace, **data):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": namespace}, "data": data}


@contextlib.asynccontextmanager
async def client_of(config, **more):
    client = Client(config, **more)
    try:
        yield client
    finally:
        await client.aclose()


# Verbs


async def test_an_object_from_its_first_to_its_last_day(client, namespace):
    made = await client.create(CONFIG_MAPS, config_map("a", namespace, key="1"))
    assert made["metadata"]["managedFields"][0]["manager"] == "hub"
    with pytest.raises(Conflict, match='configmaps "a" already exists') as refusal:
        await client.create(CONFIG_MAPS, config_map("a", namespace))
    assert (refusal.value.reason, refusal.value.status) == ("AlreadyExists", 409)

    patched = await client.patch(CONFIG_MAPS, "a", namespace, {"data": {"key": "2"}})
    assert patched["data"] == {"key": "2"}
    operations = [{"op": "test", "path": "/data/key", "value": "2"}, {"op": "add", "path": "/data/b", "value": "3"}]
    patched = await client.patch(CONFIG_MAPS, "a", namespace, operations, kind="json")
    assert patched["data"] == {"key": "2", "b": "3"}
    assert await client.get(CONFIG_MAPS, "a", namespace) == patched

    with pytest.raises(Conflict, match="the object has been modified"):
        await client.replace(CONFIG_MAPS, made)
    patched["data"] = {"new": "4"}
    assert (await client.replace(CONFIG_MAPS, patched))["data"] == {"new": "4"}

    with pytest.raises(Conflict):
        await client.delete(CONFIG_MAPS, "a", namespace, uid="somebody-else")
    await client.delete(CONFIG_MAPS, "a", namespace, propagation="Background", uid=made["metadata"]["uid"])
    await client.delete(CONFIG_MAPS, "a", namespace)  # gone already is fine
    with pytest.raises(NotFound, match='configmaps "a" not found'):
        await client.get(CONFIG_MAPS, "a", namespace)


async def test_apply_takes_fields_over_and_can_only_try(client, namespace):
    await client.apply(CONFIG_MAPS, config_map("a", namespace, key="1"), manager="other")
    with pytest.raises(Conflict, match='conflict with "other"'):
        await client.apply(CONFIG_MAPS, config_map("a", namespace, key="2"), force=False)
    tried = await client.apply(CONFIG_MAPS, config_map("a", namespace, key="2"), dry_run=True)
    assert tried["data"] == {"key": "2"}
    assert (await client.get(CONFIG_MAPS, "a", namespace))["data"] == {"key": "1"}
    await client.apply(CONFIG_MAPS, config_map("a", namespace, key="2"))
    assert (await client.get(CONFIG_MAPS, "a", namespace))["data"] == {"key": "2"}


async def test_what_breaks_the_rules_is_invalid(client, namespace):
    with pytest.raises(Invalid, match="Invalid value"):
        await client.apply(CONFIG_MAPS, config_map("a", namespace, **{"not/allowed": "1"}))


async def test_lists_come_in_pages_and_can_be_narrowed(client, namespace, monkeypatch):
    monkeypatch.setattr(hub.kube.client, "PAGE", 3)
    for number in range(8):
        body = config_map(f"c{number}", namespace, key="x" * 100)
        body["metadata"]["labels"] = {"even": str(number % 2 == 0)}
        await client.apply(CONFIG_MAPS, body)
    listed = await client.list(CONFIG_MAPS, namespace)
    assert {f"c{number}" for number in range(8)} <= {item["metadata"]["name"] for item in listed.items}
    assert {(item["kind"], item["apiVersion"]) for item in listed.items} == {("ConfigMap", "v1")}
    assert int(listed.resource_version) > 0
    even = await client.list(CONFIG_MAPS, namespace, labels="even=True")
    assert [item["metadata"]["name"] for item in even.items] == ["c0", "c2", "c4", "c6"]
    one = await client.list(CONFIG_MAPS, namespace, fields="metadata.name=c3")
    assert len(one.items) == 1


async def test_metadata_alone(client, namespace):
    await client.apply(SECRETS, {**config_map("s", namespace), "kind": "Secret", "data": {"password": "aGk="}})
    one = await client.get(SECRETS, "s", namespace, metadata_only=True)
    listed = await client.list(SECRETS, namespace, metadata_only=True)
    for item in (one, *listed.items):
        assert "data" not in item
        assert item["metadata"]["name"] == "s"


async def test_a_watch_tells_what_happens_after_a_list(client, namespace):
    listed = await client.list(CONFIG_MAPS, namespace)
    watch = client.watch(CONFIG_MAPS, namespace, resource_version=listed.resource_version, metadata_only=True)
    await client.apply(CONFIG_MAPS, config_map("a", namespace, key="x" * 300_000))
    await client.patch(CONFIG_MAPS, "a", namespace, {"metadata": {"labels": {"a": "b"}}})
    await client.delete(CONFIG_MAPS, "a", namespace)
    told = []
    async with asyncio.timeout(10), contextlib.aclosing(watch):
        async for event in watch:
            assert event.type == "BOOKMARK" or event.object["kind"] == "PartialObjectMetadata"
            told.append(event.type)
            if event.type == "DELETED":
                break
    assert [type_ for type_ in told if type_ != "BOOKMARK"] == ["ADDED", "MODIFIED", "DELETED"]


async def test_a_watch_takes_objects_of_any_size(client, namespace):
    listed = await client.list(CONFIG_MAPS, namespace)
    await client.apply(CONFIG_MAPS, config_map("big", namespace, key="x" * 900_000))
    watch = client.watch(CONFIG_MAPS, namespace, resource_version=listed.resource_version)
    async with asyncio.timeout(10), contextlib.aclosing(watch):
        async for event in watch:
            if event.object["metadata"].get("name") == "big":
                assert len(event.object["data"]["key"]) == 900_000
                break


async def test_a_watch_of_a_kind_that_is_not_there_is_refused(client):
    with pytest.raises(NotFound):
        async for _ in client.watch(Api("no.such.group", "v1", "Thing", "things")):
            pass


async def test_probe(client):
    assert await client.probe() == "ok"
    with pytest.raises(ApiError, match="404"):
        await client.probe("/nothing/here")


# Identity


@pytest.fixture
async def account(client, namespace):
    """A service account that may read ConfigMaps of its namespace, and a way to get its tokens."""
    await client.apply(
        SERVICE_ACCOUNTS,
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "reader", "namespace": namespace}},
    )
    await client.apply(
        BINDINGS,
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "RoleBinding",
            "metadata": {"name": "reader", "namespace": namespace},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"},
            "subjects": [{"kind": "ServiceAccount", "name": "reader", "namespace": namespace}],
        },
    )
    await client.apply(CONFIG_MAPS, config_map("a", namespace))
    path = SERVICE_ACCOUNTS.path("reader", namespace, "token")
    body = json.dumps({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}).encode()

    async def token():
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        async with client.raw("POST", path, headers=headers, body=body, timeout=10) as response:
            return (await response.json())["status"]["token"]

    return token


def without_certificate(config, **more):
    return replace(config, client_cert=b"", client_key=b"", **more)


async def test_a_token_and_what_it_may_not_do(config, namespace, account):
    async with client_of(without_certificate(config, token=await account())) as reader:
        await reader.get(CONFIG_MAPS, "a", namespace)
        with pytest.raises(Forbidden, match=r'cannot (create|patch) resource "configmaps"'):
            await reader.apply(CONFIG_MAPS, config_map("b", namespace))


async def test_a_wrong_token_is_told_with_the_address_and_without_the_token(config, namespace):
    async with client_of(without_certificate(config, token="wr0ng")) as stranger:
        with pytest.raises(Unauthorized, match="does not accept our credentials") as refusal:
            await stranger.get(CONFIG_MAPS, "a", namespace)
    assert config.address in str(refusal.value)
    assert "wr0ng" not in str(refusal.value)


async def test_a_token_file_is_read_again_after_a_401(config, namespace, account, tmp_path):
    file = tmp_path / "token"
    file.write_text("expired")
    async with client_of(without_certificate(config, token_file=str(file))) as reader:
        with pytest.raises(Unauthorized):
            await reader.get(CONFIG_MAPS, "a", namespace)
        file.write_text(f"{await account()}\n")
        await reader.get(CONFIG_MAPS, "a", namespace)


async def test_a_token_file_that_is_not_there(config, namespace, tmp_path):
    async with client_of(without_certificate(config, token_file=str(tmp_path / "none"))) as reader:
        with pytest.raises(Unreachable, match="cannot read the token file") as failure:
            await reader.get(CONFIG_MAPS, "a", namespace)
    assert failure.value.cause is Cause.CREDENTIALS


async def test_impersonation(config, namespace, account):
    async with client_of(config, impersonate=f"system:serviceaccount:{namespace}:reader") as reader:
        await reader.get(CONFIG_MAPS, "a", namespace)
        with pytest.raises(Forbidden, match=f"system:serviceaccount:{namespace}:reader"):
            await reader.get(SECRETS, "a", namespace)


async def test_another_server_name(config):
    async with client_of(replace(config, tls_server_name="kubernetes")) as client:
        assert await client.probe() == "ok"


def open_files():
    names = []
    for entry in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            names.append(str(entry.readlink()))
    return names


async def test_no_credential_stays_in_a_file_descriptor(config):
    async with client_of(config) as client:
        await client.probe()
        assert not [name for name in open_files() if "hub-credential" in name]


# Passing through


async def test_raw_passes_answers_through_as_they_are(client, namespace):
    await client.apply(CONFIG_MAPS, config_map("big", namespace, key="x" * 200_000))
    headers = {"Accept": "application/json", "Accept-Encoding": "gzip", "User-Agent": "helm/4"}
    path = CONFIG_MAPS.path("big", namespace)
    async with client.raw("GET", f"{path}?pretty=false", headers=headers, timeout=10) as response:
        assert response.headers["Content-Encoding"] == "gzip"
        assert json.loads(gzip.decompress(await response.read()))["data"]["key"][:3] == "xxx"
    async with client.raw("GET", CONFIG_MAPS.path("none", namespace), headers=headers) as response:
        assert response.status == 404


async def test_raw_takes_nobodys_identity_but_ours(client, config, namespace):
    headers = {
        "Authorization": "Bearer stolen",
        "impersonate-user": "nobody",
        "Impersonate-Group": "nobodies",
        "Host": "elsewhere",
        "Connection": "close",
    }
    async with client.raw("GET", CONFIG_MAPS.path(None, namespace), headers=headers, timeout=10) as response:
        assert response.status == 200
        sent = response.request_info.headers
    assert "Authorization" not in sent
    assert not [name for name in sent if name.lower().startswith("impersonate")]
    assert sent["Host"] == config.address


async def test_raw_streams_a_watch(client, namespace):
    path = f"{CONFIG_MAPS.path(None, namespace)}?watch=true&timeoutSeconds=30"
    async with client.raw("GET", path, headers={"Accept": "application/json"}) as response:
        await client.apply(CONFIG_MAPS, config_map("a", namespace))
        async with asyncio.timeout(5):
            while b'"a"' not in await response.content.readany():
                pass


async def test_raw_streams_a_body(client, namespace):
    async def body():
        for part in json.dumps(config_map("a", namespace, key="1")).encode().split(b" "):
            yield part

    headers = {"Content-Type": "application/json", "Content-Length": "5"}
    async with client.raw("POST", CONFIG_MAPS.path(None, namespace), headers=headers, body=body()) as response:
        assert response.status == 201


# What goes wrong


@contextlib.asynccontextmanager
async def server(handle, tls=None):
    """A server of our own; yields its port."""
    tasks = set()

    async def accept(reader, writer):
        tasks.add(asyncio.current_task())
        try:
            await handle(reader, writer)
        except asyncio.CancelledError:
            pass  # the end of the test; streams would log it
        finally:
            writer.transport.abort()

    listening = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=tls)
    try:
        yield listening.sockets[0].getsockname()[1]
    finally:
        listening.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def hang(reader, writer):
    await asyncio.Event().wait()


async def hang_up(reader, writer):
    await reader.read(10)


async def talk_html(reader, writer):
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 13\r\nContent-Type: text/html\r\n\r\n<html></html>")
    await writer.drain()
    await asyncio.Event().wait()


async def cut_off(reader, writer):
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1300\r\nContent-Type: application/json\r\n\r\n{")
    await writer.drain()


async def refused(config, **more):
    """The error of a simple read."""
    async with client_of(config, **more) as client:
        with pytest.raises(Unreachable) as failure:
            await client.get(NAMESPACES, "default")
    assert failure.value.reason == "Unreachable"
    assert failure.value.address == config.address
    return failure.value


@pytest.mark.parametrize(
    ("handle", "cause", "message"),
    [
        pytest.param(hang, Cause.TIMEOUT, "did not answer within 0.3 s", id="hangs"),
        pytest.param(hang_up, Cause.RESET, "closed the connection before its answer was complete", id="hangs up"),
        pytest.param(cut_off, Cause.RESET, "closed the connection before its answer was complete", id="cuts off"),
    ],
)
async def test_a_server_that(config, handle, cause, message):
    async with server(handle) as port:
        error = await refused(replace(config, server=f"http://127.0.0.1:{port}"), timeout=0.3)
    assert (error.cause, str(error)) == (cause, f"127.0.0.1:{port} {message}")


async def test_a_server_that_is_not_kubernetes(config):
    async with server(talk_html) as port, client_of(replace(config, server=f"http://127.0.0.1:{port}")) as client:
        with pytest.raises(ApiError, match="answered something that is not a Kubernetes object"):
            await client.get(NAMESPACES, "default")


async def test_a_server_that_hangs_in_the_handshake(config):
    async with server(hang) as port:
        error = await refused(replace(config, server=f"https://127.0.0.1:{port}"), connect_timeout=0.2, timeout=5)
    assert (error.cause, str(error)) == (Cause.TIMEOUT, f"127.0.0.1:{port} did not accept a connection in time")


async def test_a_server_that_does_not_speak_tls(config):
    async def object_to(reader, writer):
        writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        await asyncio.Event().wait()

    async with server(object_to) as port:
        error = await refused(replace(config, server=f"https://127.0.0.1:{port}"), timeout=2)
    assert (error.cause, str(error)) == (Cause.TLS, f"127.0.0.1:{port} does not speak TLS")


async def test_nobody_listens(config):
    async with server(hang) as port:
        pass
    error = await refused(replace(config, server=f"https://127.0.0.1:{port}"))
    assert (error.cause, str(error)) == (Cause.REFUSED, f"127.0.0.1:{port} refused the connection")


async def test_an_unknown_host_name(config):
    error = await refused(replace(config, server="https://no-such-host.invalid:6443"))
    assert (error.cause, str(error)) == (Cause.NAME, "cannot resolve the host name of no-such-host.invalid:6443")


async def test_an_unknown_certificate(config):
    error = await refused(replace(config, ca=b""))
    assert error.cause is Cause.TLS
    assert f"the certificate of {config.address} is signed by an unknown authority" in str(error)


async def test_a_certificate_for_another_name(config):
    error = await refused(replace(config, tls_server_name="elsewhere.example"))
    assert error.cause is Cause.TLS
    assert "is for another host name" in str(error)


async def test_an_unknown_certificate_can_be_accepted(config):
    async with client_of(replace(config, ca=b"", insecure_skip_tls_verify=True)) as client:
        assert await client.probe() == "ok"


async def test_a_proxy_that_is_not_there(config):
    async with server(hang) as port:
        pass
    error = await refused(replace(config, server="https://h.example", proxy_url=f"http://127.0.0.1:{port}"))
    assert error.cause is Cause.PROXY
    assert f"127.0.0.1:{port}" in str(error)


async def test_a_kept_connection_that_the_server_gave_up_is_not_an_error(config):
    """The first request leaves a connection behind that the server closes as the second one arrives."""
    connections = []

    async def once(reader, writer):
        connections.append(writer)
        for _ in range(1 if len(connections) == 1 else 9):
            await reader.readuntil(b"\r\n\r\n")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.05):
                    await reader.read(1000)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Type: application/json\r\n\r\n{}")
            await writer.drain()
        await reader.read(1)

    async with server(once) as port, client_of(replace(config, server=f"http://127.0.0.1:{port}")) as client:
        assert await client.get(NAMESPACES, "default") == {}
        assert await client.patch(NAMESPACES, "default", None, {}) == {}
    assert len(connections) == 2


async def test_a_busy_server_is_asked_again_when_it_says_so(config):
    answers = [b"429 Too Many Requests\r\nRetry-After: 0", b"503 Busy\r\nRetry-After: 0", b"200 OK"]

    async def busy(reader, writer):
        while answers:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 " + answers.pop(0) + b"\r\nContent-Length: 2\r\n\r\n{}")
            await writer.drain()
        await asyncio.Event().wait()

    async with server(busy) as port, client_of(replace(config, server=f"http://127.0.0.1:{port}")) as client:
        assert await client.get(NAMESPACES, "default") == {}
    assert answers == []


async def test_an_expired_certificate_is_called_expired(config, tmp_path):
    from datetime import UTC, datetime, timedelta

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
    now = datetime.now(tz=UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=2))
        .not_valid_after(now - timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("h")]), critical=False)
        .sign(key, hashes.SHA256())
    ).public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (tmp_path / "both.pem").write_bytes(certificate + private)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(tmp_path / "both.pem")
    async with server(hang, tls) as port:
        there = replace(config, server=f"https://127.0.0.1:{port}", ca=certificate, tls_server_name="h")
        error = await refused(there)
    assert (error.cause, str(error)) == (Cause.TLS, f"the certificate of 127.0.0.1:{port} has expired")


async def test_a_small_read_costs_less_than_a_millisecond(client, namespace):
    await client.apply(CONFIG_MAPS, config_map("a", namespace, key="1"))
    began = time.process_time()
    for _ in range(200):
        await client.get(CONFIG_MAPS, "a", namespace)
    cost = (time.process_time() - began) / 200 * 1000
    print(f"CPU of one small GET: {cost:.2f} ms")
    assert cost < 2  # twice the target: the machine of the test may be a slow one
