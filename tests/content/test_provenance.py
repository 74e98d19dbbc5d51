"""Provenance that real helm makes."""

from __future__ import annotations

import hashlib

import pysequoia
import pytest
from git_kit import PgpKey
from provenance_kit import HelmKey, signed_package

from hub.content.provenance import BadProvenanceError, Provenance, check

US, OTHERS = HelmKey(), HelmKey()
NAME = "web-1.0.0.tgz"


@pytest.fixture(scope="module")
async def signed(helm_binary, tmp_path_factory):
    package, text = await signed_package(helm_binary, tmp_path_factory.mktemp("prov"), US)
    return f"sha256:{hashlib.sha256(package).hexdigest()}", text


def clear(text):
    """Sign a text with a key whose certificate is returned too."""
    key = PgpKey()
    return pysequoia.sign(key._key.signer(), text, mode=pysequoia.SignatureMode.CLEAR), key.public


def test_helm_signed_it(signed):
    digest, text = signed
    assert check(Provenance(text, NAME), digest, [OTHERS.public.encode(), US.public.encode()]) == US.id


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param(
            lambda p, d: (p, "sha256:" + "0" * 64), "is signed for 'web-1.0.0.tgz', what came has", id="bytes"
        ),
        pytest.param(lambda p, d: (p._replace(file="web-1.1.0.tgz"), d), "does not name 'web-1.1.0.tgz'", id="name"),
        pytest.param(
            lambda p, d: (p._replace(text=p.text.replace(b"name: web", b"name: wab")), d),
            "unable to verify payload with any",
            id="forged",
        ),
        pytest.param(lambda p, d: (p._replace(text=b"files: {}"), d), "unable to verify payload", id="not signed"),
    ],
)
def test_what_helm_did_not_sign(signed, change, message):
    provenance, digest = change(Provenance(signed[1], NAME), signed[0])
    with pytest.raises(BadProvenanceError, match=message):
        check(provenance, digest, [US.public.encode()])


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        pytest.param([OTHERS.public.encode()], "unable to verify payload with any of the given key rings", id="wrong"),
        pytest.param([], "the Secret holds no PGP public key", id="none"),
        pytest.param([b"x"], "a PGP public key of the Secret cannot be read", id="rubbish"),
    ],
)
def test_keys_that_did_not_sign(signed, keys, message):
    with pytest.raises(BadProvenanceError, match=message):
        check(Provenance(signed[1], NAME), signed[0], keys)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(b"name: web\n", id="one document"),
        pytest.param(b"name: web\n\n...\nfiles: [a]\n", id="a list of files"),
        pytest.param(b"name: web\n\n...\nfiles: {a: \n", id="no YAML"),
        pytest.param(b"name: web\n\n...\nother: {}\n", id="no files"),
    ],
)
def test_signed_texts_that_are_no_provenance(text):
    signed, public = clear(text)
    with pytest.raises(BadProvenanceError, match="what is signed is no provenance of a chart"):
        check(Provenance(signed, NAME), "sha256:" + "0" * 64, [public])
