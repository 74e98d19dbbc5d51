import socket

import pytest

from hub.dev.ports import Ports, is_free

NAMES = ("one", "two")


@pytest.fixture
def file(tmp_path):
    return tmp_path / "ports.json"


def listen(port):
    listener = socket.socket()
    listener.bind(("127.0.0.1", port))
    listener.listen()
    return listener


def test_are_remembered(file):
    ports = Ports(file, NAMES)
    assert ports.settle()
    assert len({ports["one"], ports["two"]}) == 2
    assert is_free(ports["one"])
    again = Ports(file, NAMES)
    assert not again.settle()
    assert [again[name] for name in NAMES] == [ports[name] for name in NAMES]


def test_one_that_somebody_took_is_chosen_anew(file):
    ports = Ports(file, NAMES)
    ports.settle()
    one, two = ports["one"], ports["two"]
    with listen(one):
        assert not is_free(one)
        assert ports.settle()
        assert ports["one"] != one
        assert ports["two"] == two


def test_one_that_we_hold_stays(file):
    ports = Ports(file, NAMES)
    ports.settle()
    with listen(ports["one"]):
        assert not ports.settle(frozenset({"one"}))


@pytest.mark.parametrize("content", ["", "[]", '{"one": "x"}'])
def test_a_torn_file_is_written_anew(file, content):
    file.write_text(content)
    assert Ports(file, NAMES).settle()
