"""Expressions: the questions that readyExpr and healthCheckExprs ask."""

import pytest

from hub.content.cel import BadExpression, Expression

DEP = {
    "metadata": {"name": "db", "labels": {"tier": "back"}},
    "status": {"replicas": 3, "conditions": [{"type": "Ready", "status": "True"}]},
}


@pytest.mark.parametrize(
    ("text", "want"),
    [
        pytest.param("dep.status.replicas == 3", True, id="a number"),
        pytest.param("dep.metadata.labels['tier'] == 'front'", False, id="a label"),
        pytest.param("has(dep.status.failed)", False, id="a field that may be missing"),
        pytest.param(
            "dep.status.conditions.filter(e, e.type == 'Ready').all(e, e.status == 'True')",
            True,
            id="as Flux's examples",
        ),
        pytest.param("dep.status.conditions.exists(e, e.type == 'Stalled')", False, id="exists"),
        pytest.param("dep.metadata.name == self.metadata.name", True, id="two objects"),
    ],
)
def test_holds(text, want):
    assert Expression(text).holds({"dep": DEP, "self": DEP}) is want


@pytest.mark.parametrize("text", ["dep.", "1 +", "a b"])
def test_what_is_no_expression_is_told_at_once(text):
    with pytest.raises(BadExpression, match="Syntax error"):
        Expression(text)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        pytest.param("dep.status.none == 1", "no such key: none", id="a missing field"),
        pytest.param("dep.status.replicas", "not a boolean", id="no boolean"),
        pytest.param("other.x == 1", "'other'", id="an unknown variable"),
        pytest.param("frobnicate(dep)", "'frobnicate'", id="an unknown function"),
    ],
)
def test_what_cannot_be_evaluated_says_why(text, why):
    with pytest.raises(ValueError, match=why):
        Expression(text).holds({"dep": DEP})
