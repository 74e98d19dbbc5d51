"""An OpenPGP key as people have it (RSA, its primary key signs), and real helm that signs packages with it."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import time

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

USER = b"dev@example.com"


def number(value):
    return value.bit_length().to_bytes(2, "big") + value.to_bytes((value.bit_length() + 7) // 8, "big")


def packet(tag, body):
    return bytes([0xC0 | tag, 0xFF]) + len(body).to_bytes(4, "big") + body


def subpacket(kind, body):
    return bytes([len(body) + 1, kind]) + body


class HelmKey:
    """``keyring`` is what helm signs with, ``public`` what a Secret holds; RFC 4880, version 4."""

    def __init__(self):
        key = rsa.generate_private_key(65537, 2048)
        secret, made = key.private_numbers(), int(time.time()) - 3600
        public = secret.public_numbers
        body = b"\x04" + made.to_bytes(4, "big") + b"\x01" + number(public.n) + number(public.e)
        hashed = b"\x99" + len(body).to_bytes(2, "big") + body
        fingerprint = hashlib.sha1(hashed).digest()
        self.id = fingerprint[-8:].hex().upper()
        # The owner's name, signed by the key itself, which may sign and certify.
        flags = subpacket(2, made.to_bytes(4, "big")) + subpacket(27, b"\x03") + subpacket(33, b"\x04" + fingerprint)
        head = b"\x04\x13\x01\x08" + len(flags).to_bytes(2, "big") + flags
        said = hashed + b"\xb4" + len(USER).to_bytes(4, "big") + USER
        said += head + b"\x04\xff" + len(head).to_bytes(4, "big")
        signature = key.sign(said, padding.PKCS1v15(), hashes.SHA256())
        issuer = subpacket(16, fingerprint[-8:])
        signed = head + len(issuer).to_bytes(2, "big") + issuer + hashlib.sha256(said).digest()[:2]
        signed += number(int.from_bytes(signature, "big"))
        owner = packet(13, USER) + packet(2, signed)
        p, q = sorted((secret.p, secret.q))
        numbers = number(secret.d) + number(p) + number(q) + number(pow(p, -1, q))
        checked = numbers + (sum(numbers) % 65536).to_bytes(2, "big")
        self.keyring = packet(5, body + b"\x00" + checked) + owner
        binary = packet(6, body) + owner
        lines = base64.encodebytes(binary).decode()
        self.public = f"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n{lines}-----END PGP PUBLIC KEY BLOCK-----\n"


async def signed_package(helm, folder, key, name="web", version="1.0.0"):
    """Have helm make and sign a package; return it and its provenance."""
    source, ring = folder / name, folder / "ring"
    (source / "templates").mkdir(parents=True, exist_ok=True)
    (source / "Chart.yaml").write_text(f"apiVersion: v2\nname: {name}\nversion: {version}\n")
    (source / "values.yaml").write_text("a: 1\n")
    (source / "templates" / "a.yaml").write_text("kind: ConfigMap\napiVersion: v1\nmetadata: {name: a}\n")
    ring.write_bytes(key.keyring)
    command = ["package", "--sign", "--key", USER.decode(), "--keyring", str(ring), str(source), "-d", str(folder)]
    process = await asyncio.create_subprocess_exec(
        str(helm), *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()
    file = folder / f"{name}-{version}.tgz"
    return file.read_bytes(), file.with_name(f"{file.name}.prov").read_bytes()
