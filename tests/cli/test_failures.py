import pytest

from hub.cli.failures import Failed, explain
from hub.errors import api_error
from hub.kube.client import Cause, Unreachable
from hub.kube.config import BadKubeconfig

GONE = {"details": {"name": "app", "kind": "helmreleases"}}


@pytest.mark.parametrize(
    ("error", "want"),
    [
        pytest.param(
            Unreachable("host:6443", Cause.REFUSED, "host:6443 refused the connection"),
            "cannot reach the hub's API server: host:6443 refused the connection; "
            "is it up, and is this the right --context?",
            id="unreachable",
        ),
        pytest.param(
            api_error(401, "Unauthorized", "host:6443 does not accept our credentials"),
            "host:6443 does not accept our credentials; log in again or choose another --context",
            id="unauthorized",
        ),
        pytest.param(
            api_error(403, "Forbidden", 'User "me" cannot list'),
            'User "me" cannot list; ask whoever runs the hub for a role that may',
            id="forbidden",
        ),
        pytest.param(
            api_error(404, "", "host:6443 answered 404 to /apis/x"),
            "host:6443 answered 404 to /apis/x: is this the hub's cluster? "
            "'hubctl install' installs the hub and its kinds",
            id="kind missing",
        ),
        pytest.param(api_error(404, "NotFound", '"app" not found', GONE), '"app" not found', id="object missing"),
        pytest.param(api_error(422, "Invalid", "a\n  b"), "a b", id="one line"),
        pytest.param(
            api_error(400, "BadRequest", "unable to parse requirement: found 'web'"),
            "this is no label selector: unable to parse requirement: found 'web'; 'app=web,tier!=cache' is one",
            id="label selector",
        ),
        pytest.param(
            api_error(404, "NotFound", 'namespaces "x" not found', {"details": {"name": "x", "kind": "namespaces"}}),
            "namespaces \"x\" not found; 'kubectl create namespace' makes it",
            id="namespace missing",
        ),
        pytest.param(PermissionError(13, "Permission denied", "/out"), "cannot use /out: Permission denied", id="file"),
        pytest.param(TimeoutError("too slow"), "there was no answer in time: too slow", id="time"),
        pytest.param(BadKubeconfig("no kubeconfig found"), "no kubeconfig found", id="kubeconfig"),
        pytest.param(ExceptionGroup("watch", [Failed("it broke")]), "it broke", id="from a group of tasks"),
        pytest.param(RuntimeError("bug"), None, id="a bug is not ours to explain"),
    ],
)
def test_explain(error, want):
    assert explain(error) == want
