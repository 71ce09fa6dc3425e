"""Slots of keys, and what servers of a cluster say about who has them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatserver.redis.address import Address
from chatserver.redis.slots import SLOTS, Range, Redirection, key_of, own_name, ranges, redirection, slot_of
from tests.contracts.redis_cluster import shared_cluster

SEED = Address("seed", 7000, None, True, "ada", "pw", 0)
PRINTABLE = st.text(st.characters(codec="ascii", categories=["L", "N", "P"]), min_size=1, max_size=12)


@pytest.mark.parametrize(
    "key", ["a", "{a}", "{a}b", "a{}b", "{}{a}", "a{b", "a}b{c}d", "{{a}}", "cs:{a:1}:e", "cs:{u:3:a{}}:ask", "é{ü}"]
)
def test_slots_are_those_of_the_server(key: str) -> None:
    """Braces and all: a real one is asked."""
    assert slot_of(key.encode()) == int(shared_cluster().masters[0].says("CLUSTER", "KEYSLOT", key))


@given(tag=PRINTABLE.filter(lambda tag: "}" not in tag), rest=PRINTABLE)
def test_one_tag_is_one_slot(tag: str, rest: str) -> None:
    """Whatever comes after the braces."""
    assert slot_of(f"{{{tag}}}{rest}".encode()) == slot_of(tag.encode()) < SLOTS


def test_keys_of_commands() -> None:
    """A script's is its first key, other commands' their first argument; some have none."""
    assert key_of(("EVALSHA", "hash", 2, "k", "l", "x")) == b"k"
    assert key_of(("EVAL", "text", 0, "x")) is None
    assert key_of(("HGET", "k", "f")) == b"k"
    assert key_of(("SET", b"\xff", 1)) == b"\xff"
    assert key_of(("INFO", "server")) is None


def test_where_we_are_sent() -> None:
    """For good or for this time, with the seed's way of being let in; any other error sends nobody anywhere."""
    there = Address("10.0.0.7", 6379, None, True, "ada", "pw", 0)
    assert redirection("MOVED 3999 10.0.0.7:6379", SEED) == Redirection(3999, there, False)
    assert redirection("ASK 3999 10.0.0.7:6379", SEED) == Redirection(3999, there, True)
    moved = redirection("MOVED 1 :6380", SEED)
    assert moved is not None
    assert (moved.address.host, moved.address.port) == ("seed", 6380)
    six = redirection("MOVED 1 ::1:6379", SEED)
    assert six is not None
    assert (six.address.host, six.address.port) == ("::1", 6379)
    assert redirection("CLUSTERDOWN The cluster is down", SEED) is None
    assert redirection("TRYAGAIN Multiple keys request during rehashing of slot", SEED) is None


def test_the_map() -> None:
    """Each range and its master; a server that does not know its own address is where it was asked; replicas are no
    masters, and know their names all the same."""
    reply = [
        [0, 8191, [b"10.0.0.1", 7001, b"one", []], [b"10.0.0.3", 7003, b"three", []]],
        [8192, 16383, [None, 7002, b"two", []]],
    ]
    one, two = Address("10.0.0.1", 7001, None, True, "ada", "pw", 0), Address("seed", 7002, None, True, "ada", "pw", 0)
    assert list(ranges(reply, SEED)) == [Range(0, 8191, one), Range(8192, 16383, two)]
    assert own_name(reply, b"two", SEED) == two
    three = own_name(reply, b"three", SEED)
    assert three is not None
    assert three.port == 7003
    assert own_name(reply, b"four", SEED) is None
