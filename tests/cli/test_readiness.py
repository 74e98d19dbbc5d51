import pytest

from hub.api.helm import HelmRelease
from hub.cli.readiness import Stage, progress


def condition(kind, status, reason="X", message=""):
    return {"type": kind, "status": status, "reason": reason, "message": message}


READY = condition("Ready", "True", message="done")
NOT_READY = condition("Ready", "False", "UpgradeFailed", "it broke")
RUNNING = condition("Reconciling", "True", "Progressing", "Running 'upgrade' action")
RETRYING = condition("Reconciling", "True", "ProgressingWithRetry", "it broke")
STALLED = condition("Stalled", "True", "RetriesExceeded", "Failed to upgrade after 1 attempt(s)")


def a_release(*conditions, observed=2, handled="", suspend=False, asked=""):
    annotations = {"reconcile.fluxcd.io/requestedAt": asked} if asked else {}
    return HelmRelease.parse({
        "metadata": {"name": "app", "namespace": "ns", "generation": 2, "annotations": annotations},
        "spec": {"suspend": suspend},
        "status": {"conditions": conditions, "observedGeneration": observed, "lastHandledReconcileAt": handled},
    })  # fmt: skip


@pytest.mark.parametrize(
    ("release", "request_", "stage", "message"),
    [
        pytest.param(a_release(READY), "", Stage.READY, "done", id="ready"),
        pytest.param(a_release(observed=-1), "", Stage.UNSEEN, "", id="new"),
        pytest.param(a_release(READY, observed=1), "", Stage.UNSEEN, "done", id="ready for an older spec"),
        pytest.param(a_release(READY), "t2", Stage.UNSEEN, "done", id="ready, but the request was not seen"),
        pytest.param(a_release(READY, handled="t2"), "t2", Stage.READY, "done", id="ready and the request was handled"),
        pytest.param(
            a_release(READY, handled="t3", asked="t3"), "t2", Stage.READY, "done", id="somebody asked after us"
        ),
        pytest.param(
            a_release(READY, handled="t1", asked="t2"), "t2", Stage.UNSEEN, "done", id="an older request was handled"
        ),
        pytest.param(a_release(READY, RUNNING), "", Stage.WORKING, "Running 'upgrade' action", id="running"),
        pytest.param(
            a_release(NOT_READY, RUNNING), "t2", Stage.WORKING, "Running 'upgrade' action", id="running for the request"
        ),
        pytest.param(
            a_release(NOT_READY, RETRYING, observed=1), "", Stage.FAILED, "it broke", id="will be tried again"
        ),
        pytest.param(a_release(NOT_READY, STALLED), "", Stage.FAILED, "it broke", id="stalled tells what went wrong"),
        pytest.param(
            a_release(STALLED), "", Stage.FAILED, "Failed to upgrade after 1 attempt(s)", id="stalled without Ready"
        ),
        pytest.param(a_release(NOT_READY, observed=1), "", Stage.WORKING, "it broke", id="failed for an older spec"),
        pytest.param(
            a_release(condition("Ready", "False", "DependencyNotReady", "needs db"), RETRYING),
            "",
            Stage.WORKING,
            "needs db",
            id="a prerequisite is waited for",
        ),
        pytest.param(a_release(READY, suspend=True), "", Stage.SUSPENDED, "done", id="suspended"),
    ],
)
def test_progress(release, request_, stage, message):
    found = progress(release, request_)
    assert (found.stage, found.message) == (stage, message)
