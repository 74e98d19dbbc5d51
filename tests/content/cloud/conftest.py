from __future__ import annotations

import pytest
from cloud_kit import CloudServer
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa


@pytest.fixture
async def cloud():
    async with CloudServer() as server:
        yield server


@pytest.fixture(scope="session")
def rsa_key():
    """A key, and its private part as PEM."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    form = serialization.PrivateFormat.PKCS8
    return key, key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()
