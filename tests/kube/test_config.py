"""Kubeconfigs: what is read, what is refused and in which words."""

from __future__ import annotations

import base64
import copy
import json
import time
from datetime import UTC, datetime, timedelta

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from hub.errors import Transient
from hub.kube.config import (
    BadKubeconfig,
    ClusterConfig,
    TokenSource,
    cluster_config,
    load_kubeconfig,
    parse_kubeconfig,
)
from hub.kube.credentials import Credentials
from hub.kube.exec_plugin import CredentialError, ExecPlugin


def pair(name="somebody"):
    """A self-signed certificate and its key, PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(tz=UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return certificate.public_bytes(serialization.Encoding.PEM), private


CERT, KEY = pair()
_, OTHER_KEY = pair("other")


def b64(data):
    return base64.b64encode(data).decode()


BASE = {
    "apiVersion": "v1",
    "kind": "Config",
    "current-context": "there",
    "contexts": [{"name": "there", "context": {"cluster": "c", "user": "u", "namespace": "team"}}],
    "clusters": [
        {"name": "c", "cluster": {"server": "https://h.example:6443", "certificate-authority-data": b64(CERT)}}
    ],
    "users": [{"name": "u", "user": {"token": "t0ken"}}],
}


def edited(change):
    document = copy.deepcopy(BASE)
    change(document, document["clusters"][0]["cluster"], document["users"][0]["user"])
    return document


def cluster(**more):
    return edited(lambda _, cluster, __: cluster.update({k.replace("_", "-"): v for k, v in more.items()}))


def user(**more):
    def change(_, __, user):
        user.clear()
        user.update(more)

    return edited(change)


def test_everything_inline_is_read():
    document = cluster(tls_server_name="inner", proxy_url="http://proxy:3128")
    document["users"][0]["user"] |= {"client-certificate-data": b64(CERT), "client-key-data": b64(KEY)}
    config = parse_kubeconfig(yaml.safe_dump(document))
    assert config == ClusterConfig(
        server="https://h.example:6443",
        ca=CERT,
        client_cert=CERT,
        client_key=KEY,
        token="t0ken",
        tls_server_name="inner",
        proxy_url="http://proxy:3128",
        namespace="team",
    )
    assert config.address == "h.example:6443"


def test_secrets_are_neither_shown_nor_lost_in_the_digest():
    document = user(username="me", password="hunter2")
    one = parse_kubeconfig(json.dumps(document))
    document["users"][0]["user"]["password"] = "hunter3"
    other = parse_kubeconfig(json.dumps(document).encode())
    assert "hunter2" not in f"{one} {one!r}"
    assert "BEGIN" not in repr(one)
    assert one.digest != other.digest
    assert one.digest == parse_kubeconfig(json.dumps(user(username="me", password="hunter2"))).digest


@pytest.mark.parametrize(
    ("document", "message"),
    [
        pytest.param("a: [", r"kubeconfig is not YAML \(line \d+\)", id="not YAML"),
        pytest.param("\x00", "kubeconfig is not YAML", id="not even text"),
        pytest.param(b"\xff\xfe\xff", "kubeconfig is not YAML", id="binary"),
        pytest.param("just words", "kubeconfig is not a mapping", id="words"),
        pytest.param("", "kubeconfig is not a mapping", id="empty"),
        pytest.param({**BASE, "current-context": ""}, "kubeconfig has no current-context", id="no current context"),
        pytest.param({**BASE, "current-context": "x"}, "there is no context 'x' in contexts", id="unknown context"),
        pytest.param({**BASE, "contexts": {}}, "contexts is not a list", id="contexts of another shape"),
        pytest.param({**BASE, "clusters": []}, "there is no cluster 'c' in clusters", id="unknown cluster"),
        pytest.param({**BASE, "users": None}, "there is no user 'u' in users", id="unknown user"),
        pytest.param(cluster(server=""), "the cluster has no server", id="no server"),
        pytest.param(cluster(server="ftp://x"), "server is not a URL", id="strange server"),
        pytest.param(cluster(server="https://u:p@x"), "server is not a URL", id="password in the server"),
        pytest.param(cluster(server="https://x:port"), "server is not a URL", id="strange port"),
        pytest.param(cluster(server=17), "server is not a string", id="a number as server"),
        pytest.param(cluster(server="http://x"), "plain http.*--insecure-kubeconfig-tls", id="plain http"),
        pytest.param(cluster(proxy_url="socks5://x"), "proxy-url must start with", id="socks proxy"),
        pytest.param(
            cluster(insecure_skip_tls_verify=True), "insecure-skip-tls-verify.*--insecure-kubeconfig-tls", id="insecure"
        ),
        pytest.param(
            cluster(certificate_authority_data="%%%"), "certificate-authority-data is not base64", id="bad base64"
        ),
        pytest.param(
            cluster(certificate_authority_data=b64(b"hello")),
            "certificate-authority-data does not hold a PEM certificate",
            id="authority is no PEM",
        ),
        pytest.param(
            cluster(certificate_authority_data="", certificate_authority="/etc/ca.crt"),
            "certificate-authority is a path, which is refused.*certificate-authority-data",
            id="authority as a path",
        ),
        pytest.param(user(tokenFile="/etc/shadow"), "tokenFile is a path, which is refused", id="token file"),
        pytest.param(
            user(**{"client-certificate": "/c", "client-key": "/k"}), "client-certificate is a path", id="cert path"
        ),
        pytest.param(
            user(**{"client-certificate-data": b64(CERT)}), "client-key-data are needed together", id="no key"
        ),
        pytest.param(
            user(**{"client-certificate-data": b64(CERT), "client-key-data": b64(OTHER_KEY)}),
            "client key does not belong to the client certificate",
            id="key of another certificate",
        ),
        pytest.param(
            user(**{"client-certificate-data": b64(CERT), "client-key-data": b64(b"x")}),
            "client certificate or key is not PEM",
            id="key is no PEM",
        ),
        pytest.param(
            user(exec={"command": "aws", "apiVersion": "client.authentication.k8s.io/v1"}),
            "exec plugins are refused.*--insecure-kubeconfig-exec",
            id="exec plugin",
        ),
        pytest.param(user(**{"auth-provider": {"name": "gcp"}}), "auth-provider is not supported", id="auth provider"),
        pytest.param(user(**{"as": "root"}), r"as \(impersonation\) is not supported", id="impersonation"),
        pytest.param(user(token="a\nb"), "token holds control characters", id="header injection"),
    ],
)
def test_what_is_refused_in_a_secret(document, message):
    text = document if isinstance(document, str | bytes) else json.dumps(document)
    with pytest.raises(BadKubeconfig, match=message) as refusal:
        parse_kubeconfig(text)
    assert "t0ken" not in str(refusal.value)


def test_inline_data_makes_a_path_beside_it_harmless():
    document = cluster(certificate_authority="/nowhere")
    assert parse_kubeconfig(json.dumps(document)).ca == CERT


def test_flags_allow_what_they_name():
    document = cluster(insecure_skip_tls_verify=True)
    assert parse_kubeconfig(json.dumps(document), allow_insecure_tls=True).insecure_skip_tls_verify
    plugin = {"command": "aws", "apiVersion": "v1", "args": ["a"], "env": [{"name": "N", "value": "v"}]}
    config = parse_kubeconfig(json.dumps(user(exec=plugin)), allow_exec=True)
    assert config.exec == ExecPlugin("aws", "v1", ("a",), (("N", "v"),))


@pytest.fixture
def home(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    return tmp_path


def write(path, document):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(document))
    return path


def test_a_person_may_use_files_relative_to_the_kubeconfig(home):
    (home / "ca.pem").write_bytes(CERT)
    (home / "token").write_text("t")
    document = user(tokenFile="token")
    document["clusters"][0]["cluster"] = {"server": "https://h", "certificate-authority": "ca.pem"}
    config = load_kubeconfig(write(home / "config", document))
    assert (config.ca, config.token_file) == (CERT, str(home / "token"))


def test_a_person_is_told_which_file_is_missing(home):
    document = cluster(certificate_authority_data="", certificate_authority="nowhere.pem")
    with pytest.raises(BadKubeconfig, match=r"cannot read .*nowhere\.pem: No such file"):
        load_kubeconfig(write(home / "config", document))
    with pytest.raises(BadKubeconfig, match=r"cannot read .*none: No such file"):
        load_kubeconfig(home / "none")


def test_a_context_can_be_chosen(home):
    document = copy.deepcopy(BASE)
    document["contexts"].append({"name": "here", "context": {"cluster": "c", "namespace": "mine"}})
    config = load_kubeconfig(write(home / "config", document), "here")
    assert (config.namespace, config.token) == ("mine", "")
    with pytest.raises(BadKubeconfig, match="there is no context 'no'"):
        load_kubeconfig(home / "config", "no")


def test_the_files_of_the_environment_are_joined_the_first_wins(home, monkeypatch):
    second = copy.deepcopy(BASE)
    second["current-context"] = "else"
    second["clusters"][0]["cluster"]["server"] = "https://second"
    second["users"].append({"name": "v", "user": {"token": "second"}})
    first = {"contexts": [{"name": "there", "context": {"cluster": "c", "user": "v"}}], "current-context": "there"}
    one, two = write(home / "1", first), write(home / "2", second)
    monkeypatch.setenv("KUBECONFIG", f"{one}:{home / 'missing'}:{two}")
    config = load_kubeconfig()
    assert (config.server, config.token, config.namespace) == ("https://second", "second", "")


def test_the_home_folder_comes_next_and_nothing_is_said_plainly(home):
    with pytest.raises(BadKubeconfig, match="no kubeconfig found: pass --kubeconfig"):
        load_kubeconfig()
    write(home / ".kube" / "config", BASE)
    assert load_kubeconfig().server == "https://h.example:6443"


def tokens(identity):
    async def ask():
        return "s3cret", 0.0

    return TokenSource(identity, ask)


def test_whose_tokens_counts_and_not_which():
    one = cluster_config("https://10.0.0.1", b"", tokens("a"))
    assert one.digest == cluster_config("https://10.0.0.1", b"", tokens("a")).digest
    assert one.digest != cluster_config("https://10.0.0.1", b"", tokens("b")).digest
    assert one.digest != ClusterConfig("https://10.0.0.1").digest
    assert "s3cret" not in repr(one)


async def test_tokens_that_end_are_asked_for_again():
    now, given = time.time(), []

    async def ask():
        given.append(f"token-{len(given)}")
        return given[-1], now + (30 if len(given) == 1 else 3600)

    credentials = Credentials(cluster_config("https://10.0.0.1", b"", TokenSource("a", ask)))
    first = await credentials.get()
    assert first.authorization == "Bearer token-0"
    assert credentials.current() is None, "it would end within a minute"
    second = await credentials.get()
    assert (await credentials.get(), len(given)) == (second, 2)
    assert credentials.refuse(second)
    assert (await credentials.get()).authorization == "Bearer token-2"


async def test_tokens_that_cannot_be_had():
    async def ask():
        raise Transient("AuthenticationFailed", "nobody gives one")

    with pytest.raises(CredentialError, match=r"^nobody gives one$"):
        await Credentials(cluster_config("https://10.0.0.1", b"", TokenSource("a", ask))).get()
