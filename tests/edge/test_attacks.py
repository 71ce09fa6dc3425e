"""Attacks on a real server, bounded, with a bystander who is answered meanwhile (`benchmarks.attacks`, in small)."""

from argparse import Namespace
from typing import Any

import pytest

from benchmarks.attacks import ATTACKS, attacked

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

OPTIONS = Namespace(sockets=2000, upload_mb=100, chats=100)
EXPECTED: dict[str, dict[str, int]] = {
    "nothing": {},
    "half open": {"ended by the server": 2000},
    "slow loris": {"ended by the server": 200},
    "bombs": {"body: 422": 1, "packing agreed: False": 1, "frame: closed 1002": 1},
    "frames": {"closed 1009": 1, "closed 1008": 2},
    "chats": {"answered": 30, "made to wait": 70, "chats shown": 30},
}


def test_an_attack_is_bounded_and_others_are_served() -> None:
    """Each ends as it has to, in little memory, while somebody else's questions are answered."""
    import asyncio

    async def run(name: str) -> dict[str, Any]:
        return await attacked(name, OPTIONS)

    for name in ATTACKS:
        report = asyncio.run(run(name))
        print(name, report)
        assert report["outcome"] == EXPECTED.get(name, report["outcome"]), name
        assert report["answers"] >= 1, name
        assert report["first_words_ms"]["max"] < 30_000, name
        assert report["rss_mb"] < 400, name
        assert "still open after 60 s" not in report["outcome"], name
