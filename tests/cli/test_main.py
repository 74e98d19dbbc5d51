import io
import json
import subprocess
import sys

import click
import pytest
from cli_kit import HUBCTL

from hub.cli.main import VERBS, hubctl, main
from hub.cli.say import Say, colourful

HEAVY = ("kubernetes", "pydantic", "rich", "aiohttp", "yaml", "hub.api", "hub.kube", "asyncio")


def test_help_imports_nothing_heavy():
    code = "import sys; from hub.cli.main import main; main(['--help']); print(*sys.modules, file=sys.stderr)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(ran.stderr.split())
    assert not {name for name in loaded if name.startswith(HEAVY)}
    for verb in VERBS.values():
        assert verb.help in " ".join(ran.stdout.split())


def test_a_list_needs_no_models(tmp_path):
    """They take longer to import than the API server takes to answer."""
    context = {"name": "x", "context": {"cluster": "x", "user": "x"}}
    cluster = {"name": "x", "cluster": {"server": "http://127.0.0.1:1"}}
    config = {
        "clusters": [cluster],
        "users": [{"name": "x", "user": {}}],
        "contexts": [context],
        "current-context": "x",
    }
    (tmp_path / "config").write_text(json.dumps(config))
    words = ["--kubeconfig", str(tmp_path / "config"), "get", "hr"]
    code = f"import sys; from hub.cli.main import main; import hub.cli.printer; main({words}); print(*sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "refused the connection" in ran.stderr
    assert not {"pydantic", "pydantic_core", "hub.api.registry", "rich"} & set(ran.stdout.split())


@pytest.mark.parametrize("name", VERBS)
def test_every_verb_is_there_and_has_help(name, capsys):
    assert main([name, "--help"]) == 0
    assert "Usage:" in capsys.readouterr().out


def commands(command=hubctl, path=()):
    """Yield every command that is no group, by its words."""
    if not isinstance(command, click.Group):
        yield pytest.param(path, id=" ".join(path))
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        yield from commands(command.get_command(context, name), (*path, name))


@pytest.mark.parametrize("words", list(commands()))
def test_every_command_has_examples(words, capsys):
    assert main([*words, "--help"]) == 0
    _, heading, examples = capsys.readouterr().out.partition("\nExamples:\n")
    assert heading
    assert examples.split()[:2] == ["hubctl", words[0]]


@pytest.mark.parametrize("name", VERBS)
def test_the_overview_says_what_the_verb_says_of_itself(name):
    command = hubctl.get_command(click.Context(hubctl), name)
    assert command is not None
    assert (command.help or "").strip().splitlines()[0] == VERBS[name].help


@pytest.mark.parametrize(
    ("args", "says"),
    [
        pytest.param(["gte", "hr"], "no such command 'gte'; did you mean 'get'?", id="unknown verb"),
        pytest.param(["get"], "which kind?", id="no kind"),
        pytest.param(["get", "hr", "--nope"], "No such option", id="unknown option"),
        pytest.param(["get", "hr", "-o", "xml"], "'xml' is not one of", id="unknown format"),
        pytest.param(["get", "hr", "a", "-A"], "a name is looked up in one namespace", id="name everywhere"),
        pytest.param(["get", "hr", "--status-selector", "x"], "not of the form", id="status selector"),
        pytest.param(["reconcile", "source", "git", "a", "--force"], "are for HelmReleases", id="force of a source"),
        pytest.param(["suspend", "hr"], "which HelmRelease?", id="no name"),
    ],
)
def test_usage_errors_are_one_line_and_end_with_2(args, says, capsys):
    assert main(args) == 2
    err = capsys.readouterr().err
    assert says in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("args", "says"),
    [
        pytest.param(["get", "hrs"], "unknown kind 'hrs'; did you mean 'hr'?", id="unknown kind"),
        pytest.param(["reconcile", "hr", "a", "--timeout", "5"], "'5' is not a duration", id="duration"),
        pytest.param(["create", "hr", "a", "--interval", "soon"], "'soon' is not a duration", id="duration in a spec"),
        pytest.param(["create", "hr", "a", "--label", "x"], "'x' is no label of the form KEY=VALUE", id="label"),
        pytest.param(["create", "hr", "a", "--source", "charts"], "'charts' is not KIND/NAME", id="reference"),
        pytest.param(["create", "hr", "a", "--values", "/none"], "cannot read /none: No such file", id="file"),
        pytest.param(["create", "hr", "a", "--values-from", "Pod/x"], "is not Secret/NAME", id="values from"),
        pytest.param(["create", "hr", "a", "--depends-on", "/x"], "is not [NAMESPACE/]NAME", id="dependency"),
        pytest.param(["create", "secret", "tls", "a", "--ca-crt-file", "/none"], "cannot read /none", id="certificate"),
    ],
)
def test_bad_input_is_one_line_and_ends_with_1(args, says, capsys):
    assert main(args) == 1
    err = capsys.readouterr().err
    assert says in err
    assert (err[0], err.count("\n")) == ("✗", 1)


def hubctl_with(*args):
    """A process of its own: a command has an event loop of its own."""
    return subprocess.run([HUBCTL, *args], capture_output=True, text=True, check=False)


def test_an_error_is_one_line_and_exit_code_1(tmp_path):
    ran = hubctl_with("--kubeconfig", str(tmp_path / "none"), "get", "hr")
    assert (ran.returncode, ran.stdout, ran.stderr.count("\n")) == (1, "", 1)
    assert ran.stderr.startswith("✗ cannot read ")


def test_options_count_before_and_after_the_verb(tmp_path):
    ran = hubctl_with("--kubeconfig", str(tmp_path / "before"), "get", "hr", "--kubeconfig", str(tmp_path / "after"))
    assert "after" in ran.stderr


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("stream", "environment", "want"),
    [
        pytest.param(Terminal(), {}, True, id="terminal"),
        pytest.param(io.StringIO(), {}, False, id="pipe"),
        pytest.param(Terminal(), {"NO_COLOR": "1"}, False, id="NO_COLOR"),
        pytest.param(Terminal(), {"TERM": "dumb"}, False, id="dumb terminal"),
    ],
)
def test_colours_only_where_wanted(stream, environment, want, monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert colourful(stream) is want


def test_a_terminal_without_utf8_still_gets_its_message():
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    Say(stream).success("done")
    assert raw.getvalue() == b"? done\n"
