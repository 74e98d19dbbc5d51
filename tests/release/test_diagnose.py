"""What Pods say is wrong with them."""

import pytest

from hub.release.diagnose import complaint, is_healthy, waited_in_vain


def pod(phase="Pending", **status):
    return {"metadata": {"name": "p"}, "status": {"phase": phase} | status}


def container(state, name="web"):
    return {"name": name, "state": state}


PULLING = {"waiting": {"reason": "ImagePullBackOff", "message": 'Back-off pulling image "x"'}}


@pytest.mark.parametrize(
    ("item", "want"),
    [
        pytest.param(
            pod(containerStatuses=[container(PULLING)]),
            "container 'web' ImagePullBackOff: Back-off pulling image \"x\"",
            id="waiting",
        ),
        pytest.param(
            pod(
                initContainerStatuses=[container({"terminated": {"reason": "Error"}}, "init")],
                containerStatuses=[container({"waiting": {"reason": "PodInitializing"}})],
            ),
            "container 'init' Error",
            id="an init container first",
        ),
        pytest.param(
            pod(conditions=[{"type": "PodScheduled", "status": "False", "message": "0/1 nodes are available"}]),
            "PodScheduled is False: 0/1 nodes are available",
            id="not scheduled",
        ),
        pytest.param(pod("Running"), "is Running and not Ready", id="nothing more is known"),
    ],
)
def test_complaint(item, want):
    assert complaint(item) == want
    assert not is_healthy(item)


def test_is_healthy():
    assert is_healthy(pod("Running", conditions=[{"type": "Ready", "status": "True"}]))
    assert is_healthy(pod("Succeeded"))


@pytest.mark.parametrize(
    ("message", "want"),
    [
        ("resource Deployment/app/web not ready. status: InProgress\ncontext deadline exceeded", True),
        ("timed out waiting for the condition", True),
        ('Deployment.apps "web" is invalid: spec.replicas', False),
    ],
)
def test_waited_in_vain(message, want):
    assert waited_in_vain(message) is want
