import click
import pytest

from hub.cli.table import Table


def rendered(table, rows):
    table.fit(rows)
    return [*table.title(), *(line for row in rows for line in table.lines(row))]


def test_columns_align_and_nothing_ends_in_spaces():
    table = Table(["NAME", "READY", "MESSAGE"])
    assert rendered(table, [["member1-app", "True", "done"], ["m2", "False", ""]]) == [
        "NAME         READY  MESSAGE",
        "member1-app  True   done",
        "m2           False",
    ]


def test_without_a_terminal_a_row_is_one_line_however_long():
    table = Table(["NAME", "MESSAGE"])
    assert rendered(table, [["a", "word " * 100 + "end"]])[1] == f"a     {'word ' * 100}end"


@pytest.mark.parametrize(
    ("width", "want"),
    [
        pytest.param(
            52, ["a     one two three four five six seven eight nine", "      ten"], id="wraps below the last column"
        ),
        pytest.param(
            45, ["a", "    one two three four five six seven eight", "    nine ten"], id="goes below a row without room"
        ),
        pytest.param(60, ["a     one two three four five six seven eight nine ten"], id="fits"),
    ],
)
def test_the_last_column_continues_below_itself_on_a_terminal(width, want):
    table = Table(["NAME", "MESSAGE"], width=width)
    assert rendered(table, [["a", "one two three four five six seven eight nine ten"]])[1:] == want


def test_states_are_painted_without_moving_columns():
    lines = rendered(Table(["NAME", "READY", "MESSAGE"], colour=True), [["a", "False", "no"], ["b", "True", "yes"]])
    assert lines == [
        "\x1b[1mNAME  READY  MESSAGE\x1b[0m",
        "a     \x1b[31mFalse\x1b[0m  no",
        "b     \x1b[32mTrue \x1b[0m  yes",
    ]


def test_rows_printed_later_stay_under_their_header():
    table = Table(["NAME", "MESSAGE"])
    table.fit([["longest-name", "x"]])
    assert table.title() == ["NAME          MESSAGE"]
    assert table.lines(["b", "y"]) == ["b             y"]


def test_colours_take_no_room_when_a_cell_is_wrapped():
    table = Table(["A", "B"], width=50)
    styled = " ".join(click.style(f"word{number}", fg="red") for number in range(9))
    assert [click.unstyle(line) for line in table.lines(["a", styled])] == [
        "a  word0 word1 word2 word3 word4 word5 word6 word7",
        "   word8",
    ]


def test_columns_without_room_go_on_below():
    table = Table(["NAME", "REVISION", "MEMBER", "AGE", "MESSAGE"], width=44)
    rows = [["web", "1.0.0+5f0c7a91be02", "gitops/member1", "5s", "Helm install succeeded for release apps/web.v1"]]
    assert rendered(table, rows) == [
        "NAME  REVISION            MEMBER",
        "    AGE  MESSAGE",
        "web   1.0.0+5f0c7a91be02  gitops/member1",
        "    5s",
        "    Helm install succeeded for release",
        "    apps/web.v1",
    ]
