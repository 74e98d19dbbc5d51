"""Reading Helm's storage: the digests are those that Flux wrote for the same bytes."""

import base64
import gzip
import hashlib
import json
from pathlib import Path

import pytest

from hub.errors import Transient
from hub.release import gojson
from hub.release.storage import ATTEMPT_LABEL, OWNER_LABEL, REVISION_LABEL, UNLOCKED, decode, encode

DATA = Path(__file__).parent / "data"


def secret(payload: bytes, *, compress=True, labels=None):
    packed = gzip.compress(payload) if compress else payload
    return {
        "metadata": {
            "name": "sh.helm.release.v1.r0.v4",
            "namespace": "apps",
            "resourceVersion": "7",
            "labels": labels or {},
        },
        "data": {"release": base64.b64encode(base64.b64encode(packed)).decode()},
    }


def flux_history():
    return json.loads((DATA / "helmrelease.json").read_text())["status"]["history"]


@pytest.mark.parametrize(("file", "index"), [("release.v4.json", 0), ("release.v3.json", 1)])
def test_digests_equal_those_of_flux(file, index):
    stored = decode(secret((DATA / file).read_bytes()))
    snapshot = flux_history()[index]
    assert stored.digest == snapshot["digest"]
    assert stored.config_digest == snapshot["configDigest"]
    assert (stored.version, stored.status) == (snapshot["version"], snapshot["status"])
    assert str(stored) == f"apps/r0.v{snapshot['version']}"


def test_digest_as_superseded_is_what_flux_wrote_then():
    """v3 was deployed when it was made; its digest in the history is the one it got when v4 superseded it."""
    raw = gojson.loads((DATA / "release.v3.json").read_bytes())
    raw["info"]["status"] = "deployed"
    stored = decode(secret(gojson.dumps(raw).encode()))
    assert stored.digest != flux_history()[1]["digest"]
    assert stored.digest_as("superseded") == flux_history()[1]["digest"]
    slim = stored.slim()
    assert slim.digest == stored.digest
    assert slim.digest_as("superseded") == flux_history()[1]["digest"]
    assert len(gojson.dumps(slim.raw)) < len(gojson.dumps(stored.raw)) / 5


def test_a_digest_of_the_registry_is_part_of_the_digest():
    """Flux encodes it last, and only when there is one."""
    raw = gojson.loads((DATA / "release.v4.json").read_bytes())
    hooks = [hook for hook in raw.get("hooks") or [] if "test" not in (hook.get("events") or [])]
    chart = raw["chart"]["metadata"]
    fields = {name: raw.get(name) for name in ("name", "version", "info")} | {"chartMetadata": chart}
    fields |= {"config": raw.get("config") or None, "manifest": raw["manifest"], "hooks": hooks or None}
    whole = gojson.dumps(fields | {"namespace": raw["namespace"], "ociDigest": "sha256:0a"}) + "\n"
    stored = decode(secret((DATA / "release.v4.json").read_bytes()))
    assert stored.digest_with("sha256:0a") == f"sha256:{hashlib.sha256(whole.encode()).hexdigest()}"
    assert stored.digest_with("") == stored.digest
    assert stored.digest_as(stored.status, "sha256:0a") == stored.digest_with("sha256:0a")
    later = stored.digest_as("superseded", "sha256:0a")
    assert stored.slim().digest_as("superseded", "sha256:0a") == later != stored.digest_as("superseded")


def test_encode_gives_back_the_same_payload():
    payload = (DATA / "release.v4.json").read_bytes().rstrip()
    again = gzip.decompress(base64.b64decode(base64.b64decode(encode(decode(secret(payload)).raw))))
    assert again == payload


def test_uncompressed_payloads_are_read_as_helm_reads_them():
    assert decode(secret((DATA / "release.v4.json").read_bytes(), compress=False)).version == 4


@pytest.mark.parametrize(
    "data",
    [
        pytest.param({}, id="no release key"),
        pytest.param({"release": "%%%"}, id="not base64"),
        pytest.param({"release": base64.b64encode(base64.b64encode(b"\x1f\x8bbroken")).decode()}, id="not gzip"),
        pytest.param({"release": base64.b64encode(base64.b64encode(b"no json")).decode()}, id="not JSON"),
    ],
)
def test_unreadable_payloads_name_the_secret(data):
    broken = secret(b"") | {"data": data}
    with pytest.raises(Transient, match=r"Secret 'apps/sh.helm.release.v1.r0.v4' is not readable") as error:
        decode(broken)
    assert error.value.reason == "StateError"


@pytest.mark.parametrize(
    ("info", "pending", "settled"),
    [
        pytest.param({"status": "deployed", "description": "Upgrade complete"}, False, True, id="deployed"),
        pytest.param({"status": "pending-upgrade", "description": "Preparing upgrade"}, True, False, id="pending"),
        pytest.param({"status": "failed", "description": 'Upgrade "x" failed: timed out'}, False, True, id="failed"),
        pytest.param(
            {"status": "failed", "description": UNLOCKED.format("pending-upgrade")},
            False,
            False,
            id="freed after a kill",
        ),
        pytest.param(
            {"status": "failed", "description": "Release failed: context canceled"}, False, False, id="stopped with us"
        ),
    ],
)
def test_verdicts(info, pending, settled):
    stored = decode(secret(json.dumps({"name": "r", "version": 1, "info": info}).encode()))
    assert (stored.pending, stored.settled) == (pending, settled)


def test_attempt_label():
    labels = {ATTEMPT_LABEL: "abc", OWNER_LABEL: "uid", REVISION_LABEL: "2"}
    ours = decode(secret(b'{"version":2,"info":{}}', labels=labels))
    assert (ours.attempt, ours.owner) == ("abc", "uid")
    inherited = decode(secret(b'{"version":3,"info":{}}', labels=labels))
    assert (inherited.attempt, inherited.owner) == ("", "")
    assert decode(secret(b'{"info":{}}')).attempt == ""


def test_is_rollback_to():
    stored = decode(secret(b'{"info":{"status":"deployed","description":"Rollback to 2"}}'))
    assert stored.is_rollback_to(2)
    assert not stored.is_rollback_to(1)
