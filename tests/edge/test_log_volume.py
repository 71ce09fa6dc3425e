from chatserver.edge.log_volume import Volume


def test_a_kind_is_told_so_often() -> None:
    """The first lines of a window, then none; the first of the next window knows how many were left out."""
    now = 0.0
    volume = Volume(3, 60.0, clock=lambda: now)
    assert [volume.admit("a") for _ in range(5)] == [0, 0, 0, None, None]
    assert volume.admit("b") == 0
    now = 59.9
    assert volume.admit("a") is None
    now = 60.0
    assert [volume.admit("a") for _ in range(4)] == [3, 0, 0, None]


def test_kinds_without_end_take_no_memory_without_end() -> None:
    """Of more kinds than it keeps the oldest window goes."""
    volume = Volume(1, 60.0, clock=lambda: 0.0)
    for number in range(3_000):
        assert volume.admit(number) == 0
    assert volume.admit(2_999) is None
    assert volume.admit(0) == 0
    assert len(volume._windows) == 1_000
