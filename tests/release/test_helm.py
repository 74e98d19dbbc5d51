"""Helm as a process: what it is told, how its words are read, how it ends. Runs on clusters are in tests/members."""

from __future__ import annotations

import asyncio
import base64
import os
import sys
import textwrap
from pathlib import Path

import pytest

from hub.errors import Stalled
from hub.release.helm import (
    Helm,
    HelmFailed,
    InstallOptions,
    RollbackOptions,
    Run,
    ServerSide,
    TestOptions,
    UninstallOptions,
    UpgradeOptions,
    Wait,
    _as_yaml,
    _failure,
)


@pytest.fixture
def fake(tmp_path):
    """Make an executable of a shell script: for what real helm does not do on command, such as never ending."""

    def make(script, name="helm"):
        path = tmp_path / name
        path.write_text(f"#!/bin/sh\nPATH=/usr/bin:/bin\n{textwrap.dedent(script)}")
        path.chmod(0o755)
        return Helm(path, tmp_path / "home", grace=0.5)

    return make


@pytest.fixture
def run(tmp_path):
    return Run(tmp_path / "kubeconfig", "web", "app")


@pytest.mark.parametrize(
    ("options", "want"),
    [
        pytest.param(
            InstallOptions(),
            "--timeout=300000ms --wait=watcher --wait-for-jobs --force-conflicts --disable-openapi-validation "
            "--hide-notes --server-side=true",
            id="install",
        ),
        pytest.param(
            InstallOptions(
                timeout=1.5, wait=Wait.HOOKS, hooks=False, description="why", labels={"a": "b", "c": "d"}, replace=True
            ),
            "--timeout=1500ms --wait=hookOnly --no-hooks --description=why --force-conflicts "
            "--disable-openapi-validation --hide-notes --labels=a=b,c=d --server-side=true --replace",
            id="install with everything else",
        ),
        pytest.param(
            InstallOptions(server_side=ServerSide.AUTO, skip_crds=True, take_ownership=True, schema_validation=False),
            "--timeout=300000ms --wait=watcher --wait-for-jobs --skip-schema-validation --take-ownership --hide-notes "
            "--server-side=true --skip-crds",
            id="install has nothing to look back to",
        ),
        pytest.param(
            UpgradeOptions(history_max=0, cleanup_on_fail=True),
            "--timeout=300000ms --wait=watcher --wait-for-jobs --force-conflicts --disable-openapi-validation "
            "--hide-notes --server-side=true --history-max=0 --reset-values --cleanup-on-fail",
            id="upgrade",
        ),
        pytest.param(
            UpgradeOptions(server_side=ServerSide.FALSE, force_replace=True, reuse_values=True, wait=Wait.LEGACY),
            "--timeout=300000ms --wait=legacy --wait-for-jobs --force-replace --hide-notes --server-side=false "
            "--history-max=5 --reuse-values",
            id="upgrade client-side: validated there, conflicts cannot be forced",
        ),
        pytest.param(
            UpgradeOptions(server_side=ServerSide.AUTO, force_replace=True),
            "--timeout=300000ms --wait=watcher --wait-for-jobs --hide-notes --server-side=auto --history-max=5 "
            "--reset-values",
            id="upgrade the way the last one was made: nothing that either way refuses",
        ),
        pytest.param(
            RollbackOptions(cleanup_on_fail=True),
            "--timeout=300000ms --wait=watcher --wait-for-jobs --force-conflicts --server-side=true --history-max=5 "
            "--cleanup-on-fail",
            id="rollback",
        ),
        pytest.param(
            UninstallOptions(cascade="foreground", keep_history=True, ignore_not_found=True),
            "--timeout=300000ms --wait=watcher --cascade=foreground --keep-history --ignore-not-found",
            id="uninstall",
        ),
        pytest.param(
            TestOptions(timeout=60, only=["a"], exclude=["b"]),
            "--timeout=60000ms --filter=name=a --filter=!name=b",
            id="test",
        ),
    ],
)
def test_flags(options, want):
    assert options.flags() == want.split(" ")


@pytest.mark.parametrize(
    ("returncode", "stderr", "message", "log"),
    [
        pytest.param(
            1, "Error: UPGRADE FAILED: no matches for kind", "no matches for kind", (), id="the tool's words go"
        ),
        pytest.param(1, "Error: INSTALLATION FAILED: x", "x", (), id="those of install too"),
        pytest.param(
            1,
            'level=WARN msg="upgrade failed"\nError: UPGRADE FAILED: resource not ready\ncontext deadline exceeded\n',
            "resource not ready\ncontext deadline exceeded",
            ('level=WARN msg="upgrade failed"',),
            id="a cause of two lines, and the log before it",
        ),
        pytest.param(2, "panic: oh", "panic: oh", (), id="no error line"),
        pytest.param(1, "", "helm ended with exit code 1", (), id="nothing"),
        pytest.param(-9, "", "helm was killed by signal SIGKILL", (), id="killed"),
        pytest.param(-11, "half a line", "helm was killed by signal SIGSEGV: half a line", (), id="crashed"),
    ],
)
def test_what_is_read_from_stderr(returncode, stderr, message, log):
    failed = _failure(returncode, stderr)
    assert (failed.tool, failed.returncode, failed.message, failed.log) == ("helm", returncode, message, log)


def test_what_is_kept_of_stderr_is_bounded():
    failed = _failure(1, "l\n" * 1000 + "Error: " + "x" * 100_000)
    assert len(failed.message) == 8192
    assert len(failed.log) == 10


async def test_what_helm_sees(fake, run, tmp_path):
    helm = fake('env | cut -d= -f1 | sort >"$HOME/env"; printf "%s\\n" "$@" >"$HOME/argv"; cat >"$HOME/stdin"')
    os.environ["HTTP_PROXY"] = "http://proxy.example.com"
    try:
        await helm.install(run, Path("/chart"), {"password": "s3cret"}, InstallOptions())
    finally:
        del os.environ["HTTP_PROXY"]
    home = tmp_path / "home"
    names = set(home.joinpath("env").read_text().split()) - {"PWD", "SHLVL", "_", "OLDPWD"}
    assert names == {
        "GOGC", "GOMAXPROCS", "GOMEMLIMIT", "HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME", "HELM_DRIVER",
        "HELM_PLUGINS", "HELM_QPS", "HOME", "KUBECACHEDIR", "KUBECONFIG", "PATH",
    }  # fmt: skip
    argv = home.joinpath("argv").read_text().split()
    assert argv[:3] == ["install", f"--kubeconfig={run.kubeconfig}", "--namespace=app"]
    assert argv[-4:] == ["--values=-", "--", "web", "/chart"]
    assert "s3cret" not in " ".join(argv)
    assert home.joinpath("stdin").read_text() == '{"password": "s3cret"}'
    assert list(home.joinpath("discovery").iterdir()) == []


async def test_what_is_told_is_redacted(fake, tmp_path):
    helm = fake("echo level=INFO msg=hush >&2; echo Error: hush hush >&2; exit 1")
    run = Run(tmp_path / "k", "web", "app", lambda text: text.replace("hush", "***"))
    with pytest.raises(HelmFailed) as failed:
        await helm.uninstall(run)
    assert (failed.value.message, failed.value.log) == ("*** ***", ("level=INFO msg=***",))


async def test_output_without_end_is_no_trouble(fake, run):
    helm = fake("yes | head -c 5000000; yes error | head -c 5000000 >&2; echo REVISION: 7")
    assert (await helm.uninstall(run)).revision == 7


class TestCancel:
    SCRIPT = """
        trap 'echo stored >"$HOME/verdict"; {on_term}' TERM
        sleep 100 & echo $! >"$HOME/child"
        echo $$ >"$HOME/pid"
        while :; do wait; done
    """

    async def _cancel(self, helm, run, home, eventually):
        running = asyncio.create_task(helm.uninstall(run))
        await eventually(home.joinpath("pid").exists)
        await asyncio.sleep(0)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        pids = [int(home.joinpath(name).read_text()) for name in ("pid", "child")]
        assert not [pid for pid in pids if _lives(pid)]

    async def test_helm_stores_its_verdict_and_nothing_is_left(self, fake, run, tmp_path, eventually):
        await self._cancel(fake(self.SCRIPT.format(on_term="exit 1")), run, tmp_path / "home", eventually)
        assert (tmp_path / "home" / "verdict").read_text() == "stored\n"

    async def test_a_helm_that_does_not_stop_is_killed(self, fake, run, tmp_path, eventually):
        await self._cancel(fake(self.SCRIPT.format(on_term=":")), run, tmp_path / "home", eventually)


def _lives(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def test_helm_dies_with_a_hub_that_is_killed(fake, tmp_path, eventually):
    helm = fake('echo $$ >"$HOME/pid"; exec sleep 100')
    if not helm._prefix:
        pytest.skip("no setpriv of util-linux here")
    home = tmp_path / "home"
    code = f"""
import asyncio
from pathlib import Path
from hub.release.helm import Helm, Run
helm = Helm(Path({str(tmp_path / "helm")!r}), Path({str(home)!r}))
asyncio.run(helm.uninstall(Run(Path("/k"), "web", "app")))
"""
    hub = await asyncio.create_subprocess_exec(sys.executable, "-c", code)
    try:
        pid = await eventually(lambda: home.joinpath("pid").exists() and int(home.joinpath("pid").read_text() or 0))
        assert _lives(pid)
    finally:
        hub.kill()
        await hub.wait()
    await eventually(lambda: not _lives(pid))


class TestFind:
    @pytest.fixture(autouse=True)
    def _nowhere(self, monkeypatch, tmp_path):
        monkeypatch.setenv("PATH", str(tmp_path / "bin"))
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)

    def _put(self, folder, version):
        folder.mkdir(parents=True)
        path = folder / "helm"
        path.write_text(f"#!/bin/sh\necho {version}\n")
        path.chmod(0o755)
        return path

    async def test_none(self, tmp_path):
        with pytest.raises(Stalled, match="helm 4 or newer is needed: none on PATH, in KUBEBUILDER_ASSETS or built by"):
            await Helm.find(tmp_path / "home")

    async def test_one_that_is_too_old(self, tmp_path):
        old = self._put(tmp_path / "bin", "v3.19.0")
        with pytest.raises(Stalled) as stalled:
            await Helm.find(tmp_path / "home")
        assert stalled.value.message == f"helm 4 or newer is needed: {old} is v3.19.0"

    async def test_an_old_one_on_path_and_a_new_one_in_the_cache(self, tmp_path):
        self._put(tmp_path / "bin", "v3.19.0")
        new = self._put(tmp_path / "cache" / "hubctl" / "bin" / "helm-4.3.1-abc", "v4.3.1")
        assert (await Helm.find(tmp_path / "home"))._executable == str(new)

    async def test_the_one_that_was_asked_for(self, tmp_path):
        self._put(tmp_path / "bin", "v4.3.1")
        asked = self._put(tmp_path / "mine", "v4.0.0")
        assert (await Helm.find(tmp_path / "home", asked))._executable == str(asked)

    async def test_one_that_does_not_start(self, tmp_path):
        with pytest.raises(Stalled, match="cannot be run"):
            await Helm.find(tmp_path / "home", tmp_path / "missing")


@pytest.mark.cluster
class TestReal:
    @pytest.fixture
    def helm(self, clusters, tmp_path):
        return Helm(clusters.helm, tmp_path / "home")

    async def test_version(self, helm):
        assert (await helm.version()).startswith("v4.")

    @pytest.mark.parametrize(
        "value",
        [
            pytest.param("plain", id="plain"),
            pytest.param("é \u2028 ü", id="letters"),
            pytest.param("\U0001f600", id="beyond the basic plane"),
            pytest.param("\x7f\x85\xa0", id="what YAML takes only escaped"),
            pytest.param('"quoted" \\ {{ x }} # not', id="signs that mean something"),
            pytest.param("yes", id="a word that YAML would take for a boolean"),
            pytest.param("1e3", id="a word that looks like a number"),
        ],
    )
    async def test_values_arrive_as_they_are(self, helm, tmp_path, value):
        chart = tmp_path / "chart"
        (chart / "templates").mkdir(parents=True)
        (chart / "Chart.yaml").write_text("{apiVersion: v2, name: echo, version: 1.0.0}")
        (chart / "templates" / "echo.yaml").write_text("value: {{ .Values.value | b64enc }}")
        rendered = await helm.run(["template", "web", str(chart), "--values", "-"], _as_yaml({"value": value}))
        assert base64.b64decode(rendered.split()[-1]).decode() == value

    async def test_a_cluster_that_is_not_there(self, helm, run):
        run.kubeconfig.write_text("{}")
        with pytest.raises(HelmFailed, match="cluster unreachable"):
            await helm.uninstall(run)
