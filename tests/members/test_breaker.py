"""When a member is asked, and when it is left alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from hub.members.breaker import Breaker, State

START = datetime(2026, 5, 4, 12, 0, 0, 700_000, tzinfo=UTC)


def breaker(dice=0.0):
    return Breaker("ns/m", dice=lambda: dice)


def lose(one, now, cause="refused"):
    one.lost(cause, now, START + timedelta(seconds=now))


@pytest.mark.parametrize(
    ("lost_at", "now", "want"),
    [
        pytest.param([], 0, State.CLOSED, id="closed at first"),
        pytest.param([0], 0.9, State.OPEN, id="one loss opens it"),
        pytest.param([0], 1.0, State.HALF_OPEN, id="for a second"),
        pytest.param([0, 1], 2.9, State.OPEN, id="a failed probe doubles the pause"),
        pytest.param([0, 1], 3.0, State.HALF_OPEN, id="to two seconds"),
        pytest.param([0, 0.1, 0.5], 1.0, State.HALF_OPEN, id="requests that were under way do not lengthen it"),
        pytest.param([0, 1, 3, 7, 15, 31, 63], 122.9, State.OPEN, id="capped"),
        pytest.param([0, 1, 3, 7, 15, 31, 63], 123.0, State.HALF_OPEN, id="at a minute"),
    ],
)
def test_state(lost_at, now, want):
    one = breaker()
    for moment in lost_at:
        lose(one, moment)
    assert one.state(now) is want


def test_jitter_lengthens_a_pause_by_a_fifth_at_most():
    one = breaker(dice=1.0)
    lose(one, 0)
    assert one.state(1.19) is State.OPEN
    assert one.state(1.2) is State.HALF_OPEN


def test_an_answer_closes_it_and_the_next_loss_starts_anew():
    one = breaker()
    for moment in (0, 1, 3):
        lose(one, moment)
    one.answered()
    assert one.state(3) is State.CLOSED
    lose(one, 100)
    assert one.state(101) is State.HALF_OPEN
    assert one.since == START + timedelta(seconds=100)


def test_what_is_told_does_not_flicker_with_every_probe():
    one = breaker()
    lose(one, 0, "10.0.0.1:6443 refused the connection")
    lose(one, 1, "10.0.0.1:6443 did not answer within 5 s")
    error = one.error()
    assert error.reason == "MemberUnreachable"
    assert error.member == "ns/m"
    assert error.message == (
        "member 'ns/m' is unreachable since 2026-05-04T12:00:00Z: 10.0.0.1:6443 refused the connection"
    )


def test_new_credentials_may_fail_for_another_cause():
    one = breaker()
    lose(one, 0, "10.0.0.1:6443 refused the connection")
    one.retry_soon()
    for moment in (1, 5):
        lose(one, moment, f"10.0.0.2:6443 did not answer within {moment} s")
    assert "since 2026-05-04T12:00:00Z: 10.0.0.2:6443 did not answer within 1 s" in one.error().message


def test_new_credentials_are_tried_at_once():
    one = breaker()
    for moment in (0, 1, 3, 7):
        lose(one, moment)
    one.retry_soon()
    assert one.state(8) is State.HALF_OPEN
    lose(one, 8)
    assert one.state(9) is State.HALF_OPEN
