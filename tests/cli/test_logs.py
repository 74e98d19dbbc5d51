import json

import pytest

from hub.cli.logs import Wanted, parsed, shown

OURS = "2026-01-02T03:04:05.678Z warning HelmRelease/ns/web Running action action=upgrade"
FLUX = json.dumps({
    "level": "error", "ts": "2026-01-02T03:04:05Z", "msg": "Reconciler error", "controllerKind": "GitRepository",
    "namespace": "ns", "name": "repo", "error": "no route",
})  # fmt: skip


@pytest.mark.parametrize(
    ("line", "want"),
    [
        pytest.param(
            OURS, "2026-01-02T03:04:05.678Z warning HelmRelease/web.ns - Running action action=upgrade", id="text"
        ),
        pytest.param(FLUX, "2026-01-02T03:04:05Z error GitRepository/repo.ns - Reconciler error: no route", id="Flux"),
        pytest.param('{"ts": "t", "msg": "Started"}', "t info Started", id="about nothing"),
    ],
)
def test_shown(line, want):
    assert shown(parsed(line)) == want


@pytest.mark.parametrize("line", ["", "Traceback (most recent call last):", "a b c d", "[1]"])
def test_what_is_no_line_is_left_out(line):
    assert parsed(line) is None


@pytest.mark.parametrize(
    ("wanted", "ours", "flux"),
    [
        pytest.param(Wanted(), True, True, id="all"),
        pytest.param(Wanted(kind="helmrelease"), True, False, id="a kind"),
        pytest.param(Wanted(name="repo"), False, True, id="a name"),
        pytest.param(Wanted(level="error"), False, True, id="a level"),
        pytest.param(Wanted(namespace="ns"), True, True, id="its namespace"),
        pytest.param(Wanted(namespace="other"), False, False, id="another namespace"),
    ],
)
def test_wanted(wanted, ours, flux):
    assert (wanted.shows(parsed(OURS)), wanted.shows(parsed(FLUX))) == (ours, flux)
