"""Signatures of commits and tags: real keys, real objects."""

from __future__ import annotations

import pytest
from git_kit import PgpKey, SshSigner, sign_head, sign_tag

from hub.content.gitcache import GitCache, Remote
from hub.content.gitobjects import Signed, split_commit, split_tag, tag_names
from hub.content.gitsign import SignatureError, TrustedKeys
from hub.content.refs import GitRef
from hub.dev.gitserver import run_git

PGP, OTHER_PGP, SSH, OTHER_SSH = PgpKey(), PgpKey("other@example.com"), SshSigner(), SshSigner()
PAYLOAD = b"tree 1\n\nmessage\n"
WRONG_NAMESPACE = SshSigner("file")


@pytest.mark.parametrize(
    ("key", "secret", "message"),
    [
        pytest.param(PGP, {"a.asc": PGP.public}, None, id="PGP"),
        pytest.param(PGP, {"key": OTHER_PGP.public + PGP.public}, None, id="a ring of keys, named anyhow"),
        pytest.param(SSH, {"a.sshpub": SSH.public}, None, id="SSH"),
        pytest.param(SSH, {"a.sshpub": b"# us\n" + OTHER_SSH.public + SSH.public}, None, id="several SSH keys"),
        pytest.param(SSH, {"a.asc": PGP.public, "a.sshpub": SSH.public}, None, id="both kinds in the Secret"),
        pytest.param(PGP, {"a.asc": OTHER_PGP.public}, "with any of the given key rings", id="another PGP key"),
        pytest.param(PGP, {"a.sshpub": SSH.public}, "holds no PGP public key", id="no PGP key at all"),
        pytest.param(PGP, {"a.asc": b"rubbish"}, "a PGP public key of the Secret cannot be read", id="not a PGP key"),
        pytest.param(SSH, {"a.sshpub": OTHER_SSH.public}, "any of the given authorized keys", id="another SSH key"),
        pytest.param(SSH, {"a.asc": PGP.public}, "holds no SSH public key", id="no SSH key at all"),
        pytest.param(SSH, {"a.sshpub": b"rubbish"}, "a key of the Secret, cannot be read", id="not an SSH key"),
        pytest.param(
            WRONG_NAMESPACE, {"a.sshpub": WRONG_NAMESPACE.public}, "any of the given authorized keys",
            id="signed for something else than git",
        ),
    ],
)  # fmt: skip
def test_who_signed(key, secret, message):
    keys = TrustedKeys.of(secret)
    signed = Signed(PAYLOAD, key.sign(PAYLOAD))
    if message is not None:
        with pytest.raises(SignatureError, match=message):
            keys.verify(signed)
        return
    name = keys.verify(signed)
    assert name.startswith("SHA256:") if isinstance(key, SshSigner) else len(name) == 16
    with pytest.raises(SignatureError):
        keys.verify(Signed(PAYLOAD + b"!", signed.signature))


@pytest.mark.parametrize(
    ("signature", "message"),
    [
        pytest.param(b"", "it is not signed", id="none"),
        pytest.param(b"-----BEGIN SIGNED MESSAGE-----", "of an unknown kind", id="X.509"),
        pytest.param(b"-----BEGIN PGP SIGNATURE-----\n\nx\n", "unable to verify payload", id="PGP rubbish"),
        pytest.param(b"-----BEGIN SSH SIGNATURE-----\nAAAA\n", "unable to verify payload", id="SSH rubbish"),
    ],
)
def test_what_is_no_signature(signature, message):
    keys = TrustedKeys.of({"a.asc": PGP.public, "a.sshpub": SSH.public})
    with pytest.raises(SignatureError, match=message):
        keys.verify(Signed(PAYLOAD, signature))


def test_a_signature_of_another_kind_of_hash_is_not_part_of_what_is_signed():
    raw = b"tree 1\ngpgsig A\n a\ngpgsig-sha256 B\n b\nencoding x\n\nmessage\n"
    assert split_commit(raw) == Signed(b"tree 1\nencoding x\n\nmessage\n", b"A\na")


def test_a_tag_without_signature():
    raw = b"object 1\ntype commit\ntag v1\n\nmessage\n"
    assert split_tag(raw) == Signed(raw, b"")
    assert tag_names(raw) == ("1", "v1")
    assert tag_names(raw.replace(b"commit", b"tag")) == ("", "")


@pytest.mark.parametrize("key", [PGP, SSH], ids=["PGP", "SSH"])
async def test_what_a_fetch_brings_can_be_verified(git_server, tmp_path, key):
    await git_server.create("app")
    await git_server.commit("app", {"a": "1"}, message="Signed\n\nBody é")
    bare = git_server.root / "app.git"
    commit = await sign_head(bare, key)
    tag = await sign_tag(bare, key, "v1", commit)
    cache = GitCache(tmp_path / "cache")
    await cache.prepare()
    at = Remote.of(git_server.url("app"), None, 20.0)
    keys = TrustedKeys.of({"a.asc": PGP.public, "a.sshpub": SSH.public})
    plain = await cache.fetch(at, await cache.resolve(at, GitRef(branch="master")))
    assert plain.message == "Signed\n\nBody é"
    assert keys.verify(plain.signed)
    head = await cache.resolve(at, GitRef(tag="v1"))
    assert (head.tag, head.revision) == (tag, f"v1@sha1:{commit}")
    found = await cache.fetch(at, head)
    assert keys.verify(found.signed)
    assert keys.verify(found.tag)
    assert tag_names(found.tag.payload) == (commit, "v1")
    cache.close()
    await run_git("fsck", "--strict", cwd=bare)
