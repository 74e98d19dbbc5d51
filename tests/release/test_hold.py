"""A rollback on request: what it asks for, and when it is past."""

from dataclasses import replace

import pytest

from hub.api.helm import ROLLBACK, HelmRelease
from hub.errors import Stalled
from hub.release.hold import Hold, parse, requested
from hub.release.inputs import Inputs
from hub.release.plan import Status
from hub.release.storage import UNLOCKED, StoredRelease

INPUTS = Inputs("1.0.0", "sha256:v", "", "sha256:m")
HOLD = Hold(to=3, after=5, inputs=INPUTS)


def stored(version, status="deployed", description=""):
    return StoredRelease({"version": version, "info": {"status": status, "description": description}}, "s", "1")


@pytest.mark.parametrize(
    ("revision", "want"),
    [
        pytest.param(stored(5), Status.ROLLBACK_DUE, id="nothing happened yet"),
        pytest.param(stored(5, "failed"), Status.ROLLBACK_DUE, id="away from a failed revision"),
        pytest.param(stored(6, description="Rollback to 3"), Status.IN_SYNC, id="done"),
        pytest.param(
            stored(6, "failed", UNLOCKED.format("pending-rollback")), Status.ROLLBACK_DUE, id="cut short is done again"
        ),
        pytest.param(stored(7, description="Rollback to 3"), Status.IN_SYNC, id="done at the second try"),
        pytest.param(
            stored(6, "failed", 'Rollback "web" failed: not ready'), Status.ROLLBACK_FAILED, id="failed once is enough"
        ),
        pytest.param(
            stored(7, "failed", 'Release "web" failed: not ready'), Status.ROLLBACK_FAILED, id="failed after a kill"
        ),
        pytest.param(
            stored(7, "failed", UNLOCKED.format("pending-rollback")), Status.ROLLBACK_FAILED, id="cut short twice"
        ),
        pytest.param(stored(6, "failed", 'Upgrade "web" failed: x'), None, id="a newer upgrade failed"),
        pytest.param(stored(6, description="Rollback to 4"), None, id="somebody rolled back elsewhere"),
        pytest.param(stored(6, description="Upgrade complete"), None, id="somebody upgraded"),
        pytest.param(stored(4, description="Rollback to 3"), None, id="an older rollback is not this one"),
    ],
)
def test_judge(revision, want):
    assert HOLD.judge(revision) is want


def release(text):
    return HelmRelease.parse({"metadata": {"name": "web", "annotations": {ROLLBACK: text} if text else {}}})


@pytest.mark.parametrize(
    ("text", "inputs", "want"),
    [
        pytest.param("", INPUTS, None, id="none was asked for"),
        pytest.param(HOLD.dump(), INPUTS, HOLD, id="nothing changed"),
        pytest.param(HOLD.dump(), INPUTS._replace(chart="1.0.1"), None, id="another chart"),
        pytest.param(HOLD.dump(), INPUTS._replace(values="sha256:w"), None, id="other values"),
        pytest.param(HOLD.dump(), INPUTS._replace(renderers="sha256:r"), None, id="other post-renderers"),
        pytest.param(HOLD.dump(), INPUTS._replace(metadata=""), None, id="other common metadata"),
    ],
)
def test_requested(text, inputs, want):
    assert requested(release(text), inputs) == want


@pytest.mark.parametrize(
    "text", ["x", "3", "[]", "{}", '{"to":"a","after":1,"while":{}}', '{"to":1,"after":1,"while":2}']
)
def test_what_nobody_can_read_is_refused(text):
    with pytest.raises(Stalled, match="is not what 'hubctl rollback' writes"):
        parse(text)


def test_what_is_written_is_read():
    other = replace(HOLD, to=1, inputs=Inputs("2+x", "sha256:é"))
    assert parse(other.dump()) == other
