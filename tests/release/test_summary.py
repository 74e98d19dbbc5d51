"""Ready as a table."""

import pytest

from hub.api.conditions import Conditions
from hub.errors import MemberUnreachable, Stalled, Transient
from hub.release.summary import ready


def conditions(*marks):
    made = Conditions([], 1, lambda: "2026-01-01T00:00:00Z")
    for mark in marks:
        made.mark(*mark)
    return made


RELEASED = ("Released", "True", "UpgradeSucceeded", "upgraded")
FAILED = ("Released", "False", "UpgradeFailed", "Helm upgrade failed: no")
ROLLED_BACK = ("Remediated", "True", "RollbackSucceeded", "rolled back")
TESTED = ("TestSuccess", "False", "TestFailed", "test failed")


@pytest.mark.parametrize(
    ("marks", "error", "tests", "want"),
    [
        pytest.param([], None, False, None, id="nothing known"),
        pytest.param([RELEASED], None, False, ("True", "UpgradeSucceeded", "upgraded"), id="released"),
        pytest.param([FAILED], None, False, ("False", "UpgradeFailed", "Helm upgrade failed: no"), id="failed"),
        pytest.param(
            [FAILED, ROLLED_BACK],
            Stalled("RetriesExceeded", "Failed to upgrade after 1 attempt(s)"),
            False,
            ("False", "RollbackSucceeded", "rolled back, after: Helm upgrade failed: no"),
            id="remediated is not ready, and says why",
        ),
        pytest.param([RELEASED, TESTED], None, True, ("False", "TestFailed", "test failed"), id="tests count"),
        pytest.param([RELEASED, TESTED], None, False, ("True", "UpgradeSucceeded", "upgraded"), id="tests ignored"),
        pytest.param(
            [RELEASED],
            Transient("ValuesError", "no such Secret"),
            False,
            ("False", "ValuesError", "no such Secret"),
            id="a prerequisite speaks first",
        ),
        pytest.param(
            [RELEASED],
            MemberUnreachable("m", "gone"),
            False,
            ("False", "MemberUnreachable", "gone"),
            id="an unreachable member speaks first",
        ),
        pytest.param(
            [FAILED],
            Transient("UpgradeFailed", "Helm upgrade failed: no"),
            False,
            ("False", "UpgradeFailed", "Helm upgrade failed: no"),
            id="an error that a condition tells is told once",
        ),
    ],
)
def test_ready(marks, error, tests, want):
    assert ready(conditions(*marks), error, count_tests=tests) == want
