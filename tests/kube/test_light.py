"""The light package in a process of its own: this one has loaded the whole already."""

import subprocess
import sys

LIGHT = "import sys; from hub.kube.light import lighten; lighten(); import hub.kube.client; "


def run(code):
    ran = subprocess.run([sys.executable, "-c", LIGHT + code], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.split()


def test_what_nobody_uses_is_not_loaded():
    loaded = set(run("print(*sys.modules)"))
    assert "kubernetes.aio.client.rest" in loaded
    assert not {"requests", "urllib3", "oauthlib", "websocket", "kubernetes.client"} & loaded


def test_the_package_is_whole():
    assert run("import kubernetes; print(kubernetes.client.ApiClient.__name__, kubernetes.aio.config.__name__)") == [
        "ApiClient",
        "kubernetes.aio.config",
    ]
    assert run("from kubernetes import watch; print(watch.Watch.__name__)") == ["Watch"]
    assert run("import kubernetes; print(hasattr(kubernetes, 'nothing'))") == ["False"]


def test_what_is_loaded_already_stays():
    code = "import kubernetes; from hub.kube.light import lighten; lighten(); print(type(kubernetes).__name__)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["module"]
