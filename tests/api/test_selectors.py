"""Label selectors."""

import pytest

from hub.api.selectors import matches, parse

LABELS = {"app": "web", "tier": "front", "example.com/env": "prod", "empty": ""}


@pytest.mark.parametrize(
    ("selector", "want"),
    [
        pytest.param("", True, id="the empty one selects all"),
        pytest.param("app=web", True, id="equal"),
        pytest.param("app==web,tier=front", True, id="all must hold"),
        pytest.param("app=web,tier=back", False, id="one does not"),
        pytest.param("app!=db", True, id="not equal"),
        pytest.param("none!=db", True, id="not equal holds for a missing label"),
        pytest.param("none=", False, id="an empty value is not a missing label"),
        pytest.param("empty=", True, id="an empty value"),
        pytest.param("example.com/env in (prod, test)", True, id="in"),
        pytest.param("tier notin (a,b),app", True, id="notin, exists"),
        pytest.param("!app", False, id="must not be there"),
        pytest.param("!none", True, id="is not there"),
    ],
)
def test_matches(selector, want):
    assert matches(selector, LABELS) is want


@pytest.mark.parametrize("selector", ["a=b=c", "app in web", "=x", "a,,b", "in (a)"])
def test_what_is_no_selector_is_named(selector):
    with pytest.raises(ValueError, match="is not part of a label selector"):
        parse(selector)
