"""Getting in: what a Secret may say, and real servers that check it."""

from __future__ import annotations

from pathlib import Path

import pytest
from git_kit import Authority, ConnectProxy, SshGitServer, TlsGitServer, ssh_key

from hub.content.git import GitFailed, GitRunner
from hub.content.gitauth import AuthInvalid, GitAuth, auth_of, opened, split_url
from hub.content.gitcache import Remote
from hub.content.refs import GitRef
from hub.dev.gitserver import run_git

MASTER = GitRef(branch="master")
SECRET = "s3cret/p@ss:w%rd"
HTTP, SSH = "https://host/x", "ssh://git@host/x"


@pytest.mark.parametrize(
    ("url", "data", "want"),
    [
        pytest.param(HTTP, {"username": "u", "password": "p"}, GitAuth("u", "p"), id="basic"),
        pytest.param(HTTP, {"bearerToken": "t\n"}, GitAuth(bearer_token="t"), id="token"),
        pytest.param(HTTP, {"ca.crt": "new", "caFile": "old"}, GitAuth(ca="new"), id="ca"),
        pytest.param(HTTP, {"caFile": "old"}, GitAuth(ca="old"), id="the older name of ca"),
        pytest.param(HTTP, {"tls.crt": "c", "tls.key": "k"}, GitAuth(cert="c", key="k"), id="mutual TLS"),
        pytest.param(HTTP, {"certFile": "c", "keyFile": "k"}, GitAuth(cert="c", key="k"), id="older names of TLS"),
        pytest.param(HTTP, {"identity": "i", "known_hosts": "h"}, GitAuth(), id="ssh keys are no use to https"),
        pytest.param("https://u@host/x", {"password": "p"}, GitAuth(password="p"), id="the user is in the URL"),
        pytest.param(
            SSH,
            {"identity": "i", "known_hosts": "h", "password": "p"},
            GitAuth(identity="i", known_hosts="h", passphrase="p"),
            id="ssh",
        ),
        pytest.param(
            HTTP, {"password": "p"}, "invalid 'https' auth option: 'password' requires 'username' to be set",
            id="password alone",
        ),
        pytest.param(
            HTTP, {"tls.crt": "c"}, "invalid 'https' auth option: 'tls.crt' and 'tls.key' are required together",
            id="half of mutual TLS",
        ),
        pytest.param(SSH, {"known_hosts": "h"}, "invalid 'ssh' auth option: 'identity' is required", id="no key"),
        pytest.param(SSH, {"identity": "i"}, "invalid 'ssh' auth option: 'known_hosts' is required", id="no hosts"),
    ],
)  # fmt: skip
def test_what_a_secret_says(url, data, want):
    data = {key: value.encode() for key, value in data.items()}
    if isinstance(want, GitAuth):
        assert auth_of(url, data) == want
        return
    with pytest.raises(AuthInvalid) as caught:
        auth_of(url, data)
    assert caught.value.message == f"failed to configure authentication options: {want}"


@pytest.mark.parametrize(
    ("data", "want"),
    [
        pytest.param({"address": "http://proxy:3128"}, "http://proxy:3128", id="plain"),
        pytest.param(
            {"address": "socks5://proxy:1080", "username": "u", "password": SECRET},
            "socks5://u:s3cret%2Fp%40ss%3Aw%25rd@proxy:1080",
            id="with a login",
        ),
        pytest.param({}, "invalid proxy secret: key 'address' is missing", id="empty"),
        pytest.param({"address": "ftp://x"}, "invalid proxy secret: 'address' has to be", id="another scheme"),
        pytest.param({"address": "http://" + "x" * 2048}, "invalid proxy secret: 'address' has to be", id="too long"),
    ],
)
def test_what_a_proxy_secret_says(data, want):
    proxy = {key: value.encode() for key, value in data.items()}
    if want.startswith("invalid"):
        with pytest.raises(AuthInvalid, match=want):
            auth_of(HTTP, {}, proxy)
    else:
        auth = auth_of(HTTP, {}, proxy)
        assert auth.proxy == want
        assert "s3cret" not in auth.redact(want)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        pytest.param("file:///etc", "unsupported scheme 'file': http, https and ssh are supported", id="file"),
        pytest.param("ext::sh -c id", "unsupported scheme 'ext': http, https and ssh are supported", id="ext"),
        pytest.param("--upload-pack=id", "unsupported scheme '': http, https and ssh are supported", id="an option"),
        pytest.param("git@host:x", "unsupported scheme '': http, https and ssh are supported", id="scp's form"),
        pytest.param("ssh://-oProxyCommand=id/x", "no host", id="an option as host"),
        pytest.param("ssh://-oProxyCommand=id@host/x", "a user cannot begin with '-'", id="an option as user"),
        pytest.param("https:///x", "no host", id="no host"),
        pytest.param("http://[::1/x", "Invalid IPv6 URL", id="not a url"),
        pytest.param("http://host:port/x", "Port could not be cast to integer value as 'port'", id="no port"),
    ],
)
def test_bad_urls(url, message):
    with pytest.raises(ValueError) as caught:
        split_url(url, None)
    assert str(caught.value) == message


def test_the_secret_wins_over_the_url():
    url, auth = split_url("https://u:p%40@host:8443/x?y", GitAuth(password="other"))
    assert url == "https://host:8443/x?y"
    assert (auth.username, auth.password) == ("u", "other")
    assert "other" not in repr(auth)


def test_the_user_of_an_ssh_url_is_part_of_the_address():
    assert split_url("ssh://host:22/x", None)[0] == "ssh://git@host:22/x"
    url, auth = split_url("ssh://me:pw@host/x", None)
    assert (url, auth.username, auth.password) == ("ssh://me@host/x", "me", "")


@pytest.fixture(scope="module")
def authority():
    return Authority()


@pytest.fixture
async def secure(tmp_path, authority):
    """A git server that wants a certificate of its clients, with a repository."""
    async with TlsGitServer(tmp_path / "git", authority.issue(), clients=authority.pem) as server:
        await server.create("app")
        server.first = await server.commit("app", {"a.txt": "1"})
        yield server


async def test_mutual_tls_with_a_private_authority(cache, secure, authority, tmp_path):
    cert, key = authority.issue("client")
    at = Remote.of(secure.url("app"), GitAuth(ca=authority.pem, cert=cert, key=key), 20.0)
    commit = await cache.fetch(at, await cache.resolve(at, MASTER))
    assert commit.id == secure.first
    on_disk = b"".join(path.read_bytes() for path in (tmp_path / "cache").rglob("*") if path.is_file())
    assert key.encode()[40:80] not in on_disk


async def test_nothing_is_left_open(authority):
    cert, key = authority.issue("client")
    before = open_files()
    async with opened("https://127.0.0.1:1/x", GitAuth(ca=authority.pem, cert=cert, key=key)) as access:
        paths = [value for value in access.env.values() if value.startswith("/proc/")]
        assert sorted(map(read, paths)) == sorted([authority.pem, cert, key])
        assert SECRET not in repr(access)
    assert open_files() == before


@pytest.fixture
async def shell(tmp_path):
    """An ssh server with the repository ``app``, and the text of a key that it lets in."""
    key, text = ssh_key()
    async with SshGitServer(tmp_path / "git", key) as server:
        bare = tmp_path / "git" / "app.git"
        work = tmp_path / "work"
        await run_git("init", "-q", "--bare", "--initial-branch=master", str(bare))
        await run_git("clone", "-q", str(bare), str(work))
        (work / "a.txt").write_text("1")
        await run_git("add", "-A", cwd=work)
        await run_git("commit", "-q", "-m", "one", cwd=work)
        await run_git("push", "-q", "origin", "HEAD:master", cwd=work)
        server.first = (await run_git("rev-parse", "HEAD", cwd=work)).strip()
        server.identity = text
        yield server


def login(server, **more):
    return GitAuth(identity=server.identity, known_hosts=server.known_hosts, **more)


async def test_fetch_over_ssh(cache, shell):
    at = Remote.of(shell.url("app"), login(shell), 20.0)
    commit = await cache.fetch(at, await cache.resolve(at, MASTER))
    assert commit.id == shell.first
    assert shell.requests == ["git-upload-pack '/app.git'"] * 2


async def test_push_over_ssh(shell, tmp_path):
    runner = GitRunner(tmp_path)
    url, auth = split_url(shell.url("app"), login(shell))
    async with opened(url, auth) as access:
        await runner.run(
            ["push", "--quiet", url, "HEAD:refs/heads/new"],
            lambda out: out.read(), timeout=20, cwd=tmp_path / "work", env=access.env, auth=auth,
        )  # fmt: skip
    assert (await run_git("rev-parse", "new", cwd=shell.root / "app.git")).strip() == shell.first
    runner.close()


@pytest.mark.parametrize("form", ["openssh", "pkcs8-pem"])
async def test_an_encrypted_key(cache, shell, form):
    key, shell.identity = ssh_key(SECRET, form)
    shell._authorized = key
    at = Remote.of(shell.url("app"), login(shell, passphrase=SECRET), 20.0)
    assert await cache.resolve(at, MASTER)
    for passphrase, message in (
        ("", "'identity' is encrypted, and there is no 'password' to open it"),
        ("wrong", "'identity' is not a private key that 'password' opens"),
    ):
        with pytest.raises(AuthInvalid, match=message):
            await cache.resolve(Remote.of(shell.url("app"), login(shell, passphrase=passphrase), 20.0), MASTER)


@pytest.fixture(autouse=True)
def _all_hosts_are_beyond_the_proxy(monkeypatch):
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)


async def test_through_a_proxy(cache, shell, tmp_path, authority):
    proxy = {"username": b"me", "password": SECRET.encode()}
    async with ConnectProxy("me", SECRET) as through, TlsGitServer(shell.root, authority.issue()) as web_server:
        proxy["address"] = through.url.encode()
        for server, data in (
            (shell, {"identity": shell.identity.encode(), "known_hosts": shell.known_hosts.encode()}),
            (web_server, {"ca.crt": authority.pem.encode()}),
        ):
            at = Remote.of(server.url("app"), auth_of(server.url("app"), data, proxy), 20.0)
            through.asked.clear()
            assert (await cache.fetch(at, await cache.resolve(at, MASTER))).id == shell.first
            assert set(through.asked) == {at.url.split("/")[2].rpartition("@")[2]}


async def test_a_proxy_that_does_not_let_us_through(cache, shell, authority):
    async with ConnectProxy("me", "another") as through, TlsGitServer(shell.root, authority.issue()) as web_server:
        proxy = through.url.replace("://", f"://me:{SECRET[:6]}@")
        for server, auth in ((shell, login(shell, proxy=proxy)), (web_server, GitAuth(ca=authority.pem, proxy=proxy))):
            with pytest.raises(GitFailed, match=r"the proxy (refused|did not let us through)") as caught:
                await cache.resolve(Remote.of(server.url("app"), auth, 20.0), MASTER)
            assert SECRET[:6] not in caught.value.message


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param(
            {"known_hosts": lambda server: f"[127.0.0.1]:{server.port} {public()}"},
            "the host key of the server is not one of 'known_hosts' in the Secret",
            id="another host key",
        ),
        pytest.param(
            {"known_hosts": lambda _server: f"example.com {public()}"},
            "the host key of the server is not one of 'known_hosts' in the Secret",
            id="the host is not listed",
        ),
        pytest.param(
            {"identity": lambda _server: ssh_key()[1]},
            "authentication required: the server refused the key 'identity' of the Secret for user 'git'",
            id="an unknown key",
        ),
        pytest.param(
            {"identity": lambda _server: "rubbish"},
            "invalid 'ssh' auth option: 'identity' is not a private key that can be read",
            id="not a key",
        ),
    ],
)
async def test_who_is_not_let_in_over_ssh(*, cache, shell, change, message):
    texts = {"identity": shell.identity, "known_hosts": shell.known_hosts}
    texts |= {key: make(shell) for key, make in change.items()}
    at = Remote.of(shell.url("app"), GitAuth(**texts), 20.0)
    with pytest.raises((GitFailed, AuthInvalid)) as caught:
        await cache.resolve(at, MASTER)
    assert message in caught.value.message
    assert shell.requests == []


async def test_a_repository_that_is_not_there_and_nobody_who_listens(cache, shell):
    with pytest.raises(GitFailed, match="the server said: ERROR: Repository not found"):
        await cache.resolve(Remote.of(shell.url("none"), login(shell), 20.0), MASTER)
    shell._server.close()
    await shell._server.wait_closed()
    with pytest.raises(GitFailed, match="the server does not accept connections"):
        await cache.resolve(Remote.of(shell.url("app"), login(shell), 20.0), MASTER)


def read(path):
    return Path(path).read_text()


def open_files():
    return len(list(Path("/proc/self/fd").iterdir()))


def public():
    return ssh_key()[0].export_public_key().decode()
