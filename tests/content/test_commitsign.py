"""Signatures of commits, checked by the programs that people check them with."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from pysequoia import Sig, Tsk, verify

from hub.content.commitsign import openpgp, ssh
from hub.content.keys import BadKeyError

KEYS = {
    "ed25519": ed25519.Ed25519PrivateKey.generate,
    "rsa": lambda: rsa.generate_private_key(65537, 2048),
    "ecdsa": lambda: ec.generate_private_key(ec.SECP256R1()),
    "ecdsa-384": lambda: ec.generate_private_key(ec.SECP384R1()),
}


def private(key, password=b"", *, pem=False):
    form = serialization.PrivateFormat.TraditionalOpenSSL if pem else serialization.PrivateFormat.OpenSSH
    protection = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, form, protection)


def public(key):
    openssh = serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    return key.public_key().public_bytes(*openssh).decode()


@pytest.mark.skipif(not shutil.which("ssh-keygen"), reason="needs ssh-keygen")
@pytest.mark.parametrize("kind", KEYS)
def test_openssh_accepts(tmp_path, kind):
    key = KEYS[kind]()
    (tmp_path / "signature").write_text(ssh(private(key), "")(b"tree 1\n"))
    (tmp_path / "allowed").write_text(f'bot@x.io namespaces="git" {public(key)}\n')
    command = ["ssh-keygen", "-Y", "verify", "-f", "allowed", "-I", "bot@x.io", "-n", "git", "-s", "signature"]
    ran = subprocess.run(command, input=b"tree 1\n", capture_output=True, cwd=tmp_path, check=False)
    assert ran.returncode == 0, ran.stderr
    assert subprocess.run(command, input=b"tree 2\n", capture_output=True, cwd=tmp_path, check=False).returncode


def test_keys_with_a_password_and_in_pem():
    key = ec.generate_private_key(ec.SECP256R1())
    assert ssh(private(key, b"secret"), "secret")(b"x").startswith("-----BEGIN SSH SIGNATURE-----\n")
    assert ssh(private(key, pem=True), "")(b"x").endswith("\n-----END SSH SIGNATURE-----\n")


@pytest.mark.parametrize(
    ("key", "password", "message"),
    [
        pytest.param(private(ed25519.Ed25519PrivateKey.generate(), b"a"), "", "encrypted", id="no password"),
        pytest.param(
            private(ed25519.Ed25519PrivateKey.generate(), b"a"), "b", "password is wrong", id="wrong password"
        ),
        pytest.param(b"nonsense", "", "cannot be read", id="no key"),
    ],
)
def test_ssh_refuses(key, password, message):
    with pytest.raises(BadKeyError, match=message):
        ssh(key, password)


def test_openpgp_verifies():
    key = Tsk.generate("Bot <bot@x.io>")
    signature = openpgp(bytes(key), "")(b"tree 1\n")
    assert signature.startswith("-----BEGIN PGP SIGNATURE-----")
    done = verify(
        b"tree 1\n", store=lambda _: [key.extract_certificate()], signature=Sig.from_bytes(signature.encode())
    )
    assert done.valid_sigs


def test_openpgp_refuses_what_is_no_key():
    with pytest.raises(BadKeyError, match="no usable private key"):
        openpgp(b"nonsense", "")


@pytest.mark.skipif(not shutil.which("gpg"), reason="needs gpg")
def test_gnupg_gives_a_key_with_a_passphrase_and_accepts_the_signature(tmp_path):
    home = tmp_path / "g"
    home.mkdir(mode=0o700)
    gpg = ["gpg", "--homedir", str(home), "--batch", "--quiet", "--pinentry-mode=loopback", "--passphrase=secret"]
    try:
        subprocess.run([*gpg, "--quick-generate-key", "Bot <bot@x.io>", "ed25519", "sign"], check=True)
        exported = subprocess.run([*gpg, "--armor", "--export-secret-keys"], check=True, capture_output=True).stdout
        (tmp_path / "data").write_bytes(b"tree 1\n")
        (tmp_path / "data.asc").write_text(openpgp(exported, "secret")(b"tree 1\n"))
        subprocess.run([*gpg, "--verify", "data.asc", "data"], check=True, cwd=tmp_path)
        with pytest.raises(BadKeyError, match="passphrase is wrong or missing"):
            openpgp(exported, "wrong")
    finally:
        subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "all"], check=False)
