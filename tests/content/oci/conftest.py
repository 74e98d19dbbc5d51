"""A real registry for the whole session; each test has repositories of its own."""

from __future__ import annotations

import ipaddress
import itertools
from datetime import UTC, datetime, timedelta

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from hub.content.oci.client import Registries
from hub.content.oci.reference import parse_repository
from hub.dev.registry import LocalRegistry

_serial = itertools.count()


@pytest.fixture(scope="session")
async def registry_server(tmp_path_factory):
    async with LocalRegistry(tmp_path_factory.mktemp("registry")) as running:
        yield running


@pytest.fixture(scope="session")
async def registries():
    async with aiohttp.ClientSession() as session:
        yield Registries(lambda: session)


@pytest.fixture
def registry(registries, registry_server):
    """The client of an empty repository."""
    name = registry_server.repository(f"test/r{next(_serial)}")
    return registries.open(parse_repository(name), insecure=True)


@pytest.fixture
def certificate(tmp_path):
    """Make a certificate that is its own authority; return it and the paths of certificate and key."""

    def make(*, expired=False, host="127.0.0.1"):
        now = datetime.now(UTC)
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
        try:
            general = x509.IPAddress(ipaddress.ip_address(host))
        except ValueError:
            general = x509.DNSName(host)
        made = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=2))
            .not_valid_after(now + timedelta(days=-1 if expired else 1))
            .add_extension(x509.SubjectAlternativeName([general]), critical=False)
            .sign(key, hashes.SHA256())
        )
        pem = made.public_bytes(serialization.Encoding.PEM)
        (tmp_path / "its.crt").write_bytes(pem)
        encoding = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        (tmp_path / "its.key").write_bytes(key.private_bytes(*encoding))
        return pem, (tmp_path / "its.crt", tmp_path / "its.key")

    return make
