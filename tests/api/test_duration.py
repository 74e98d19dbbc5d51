"""Rows: Go's spelling of durations in both directions, and Kubernetes' spelling of instants."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.api.duration import Duration, parse_time, rfc3339


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        pytest.param("1m0s", 60, id="minutes and seconds"),
        pytest.param("1.5h", 5400, id="fraction of hours"),
        pytest.param("500ms", 0.5, id="milliseconds are not minutes"),
        pytest.param("1h2m3.5s", 3723.5, id="three units"),
        pytest.param("2us", 2e-6, id="microseconds in ASCII"),
        pytest.param("2µs", 2e-6, id="microseconds with the micro sign"),
        pytest.param(".5s", 0.5, id="no leading zero"),
        pytest.param("0", 0, id="zero needs no unit"),
        pytest.param("-1s", -1, id="negative"),
    ],
)
def test_seconds(text, seconds):
    assert Duration(text).seconds == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "5", "1d", "m", "1m ", "1,5s", "-"])
def test_seconds_of_nonsense(text):
    with pytest.raises(ValueError, match="is not a duration"):
        _ = Duration(text).seconds


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        pytest.param(300, "5m0s", id="minutes show seconds"),
        pytest.param(3600, "1h0m0s", id="hours show minutes"),
        pytest.param(1.5, "1.5s", id="fraction"),
        pytest.param(0.3, "300ms", id="below a second"),
        pytest.param(0.315868982, "315.868982ms", id="fraction of milliseconds"),
        pytest.param(0.0000015, "1.5µs", id="microseconds"),
        pytest.param(3e-9, "3ns", id="nanoseconds"),
        pytest.param(0, "0s", id="zero"),
        pytest.param(100 * 3600, "100h0m0s", id="no days"),
        pytest.param(-90, "-1m30s", id="negative"),
        pytest.param(59.9999999999, "1m0s", id="rounds to nanoseconds"),
    ],
)
def test_from_seconds(seconds, text):
    printed = Duration.from_seconds(seconds)
    assert printed == text
    assert isinstance(printed, Duration)


@given(st.integers(min_value=-(10**15), max_value=10**15))
def test_round_trip(nanos):
    assert Duration.from_seconds(nanos / 10**9).seconds == pytest.approx(nanos / 10**9, abs=1e-9)


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        pytest.param(datetime(2026, 1, 2, 3, 4, 5, 999999, UTC), "2026-01-02T03:04:05Z", id="fractions are cut"),
        pytest.param(
            datetime(2026, 1, 2, 3, 4, 5, 0, timezone(timedelta(hours=2))), "2026-01-02T01:04:05Z", id="other zones"
        ),
        pytest.param(datetime(2026, 1, 2, 3, 4, 5), "2026-01-02T03:04:05Z", id="naive is UTC"),  # noqa: DTZ001 - the row
    ],
)
def test_rfc3339(moment, text):
    assert rfc3339(moment) == text


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        pytest.param("2026-01-02T03:04:05Z", datetime(2026, 1, 2, 3, 4, 5, 0, UTC), id="seconds"),
        pytest.param(
            "2026-01-02T05:04:05.123456789+02:00", datetime(2026, 1, 2, 3, 4, 5, 123456, UTC), id="nanoseconds, offset"
        ),
    ],
)
def test_parse_time(text, moment):
    assert parse_time(text) == moment


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        pytest.param("", "Invalid isoformat", id="empty"),
        pytest.param("yesterday", "Invalid isoformat", id="words"),
        pytest.param("2026-01-02T03:04:05", "names no time zone", id="no zone"),
    ],
)
def test_parse_time_of_nonsense(text, complaint):
    with pytest.raises(ValueError, match=complaint):
        parse_time(text)
