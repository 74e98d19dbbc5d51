import datetime as dt
import ssl

import pytest
from cryptography import x509

from hub.dev import certs
from hub.dev.certs import Authority, signing_key


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path / "pki", "ca")


def handshake(server_pair, server_trusts, client_pair, client_trusts, host):
    """Do a TLS handshake in memory; return the certificate that the server saw."""
    ours = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(server_trusts))
    ours.verify_mode = ssl.CERT_REQUIRED
    ours.load_cert_chain(server_pair.cert, server_pair.key)
    theirs = ssl.create_default_context(cafile=str(client_trusts))
    if client_pair:
        theirs.load_cert_chain(client_pair.cert, client_pair.key)
    buffers = [ssl.MemoryBIO() for _ in range(2)]
    server = ours.wrap_bio(buffers[0], buffers[1], server_side=True)
    client = theirs.wrap_bio(buffers[1], buffers[0], server_hostname=host)
    for _ in range(10):
        for side in (client, server):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    return server.getpeercert()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "kubernetes.default.svc"])
def test_server_and_client_trust_each_other(authority, host):
    server = authority.server("kube-apiserver", ("kubernetes.default.svc",))
    client = authority.client("admin", "somebody", ("system:masters",))
    seen = handshake(server, authority.pair.cert, client, authority.pair.cert, host)
    assert (("commonName", "somebody"),) in seen["subject"]
    assert (("organizationName", "system:masters"),) in seen["subject"]


@pytest.mark.parametrize("case", ["no certificate", "a server's certificate", "of another authority"])
def test_strangers_are_refused(authority, tmp_path, case):
    server = authority.server("etcd")
    strangers = {
        "no certificate": None,
        "a server's certificate": authority.server("other"),
        "of another authority": Authority(tmp_path / "other", "ca").client("admin", "somebody"),
    }
    with pytest.raises(ssl.SSLError):
        handshake(server, authority.pair.cert, strangers[case], authority.pair.cert, "127.0.0.1")


def test_a_server_of_another_name_is_refused(authority):
    client = authority.client("admin", "somebody")
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(authority.server("s"), authority.pair.cert, client, authority.pair.cert, "example.com")


def test_kept_until_a_month_before_the_end(authority, tmp_path, monkeypatch):
    pair = authority.client("admin", "somebody")
    before = pair.cert.read_bytes()
    again = Authority(tmp_path / "pki", "ca")
    assert again.client("admin", "somebody").cert.read_bytes() == before
    monkeypatch.setattr(certs, "_RENEW_BEFORE", dt.timedelta(days=366))
    renewed = again.client("admin", "somebody").cert.read_bytes()
    assert renewed != before
    x509.load_pem_x509_certificate(renewed).verify_directly_issued_by(
        x509.load_pem_x509_certificate(authority.pair.cert.read_bytes())
    )


def test_keys_are_for_their_owner_alone(authority, tmp_path):
    authority.client("admin", "somebody")
    signing_key(tmp_path / "pki", "tokens")
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "pki").iterdir()} == {0o600}
    assert (tmp_path / "pki").stat().st_mode & 0o777 == 0o700


def test_signing_key_is_kept(tmp_path):
    first = signing_key(tmp_path, "tokens")
    content = first.key.read_bytes(), first.cert.read_bytes()
    again = signing_key(tmp_path, "tokens")
    assert (again.key.read_bytes(), again.cert.read_bytes()) == content
