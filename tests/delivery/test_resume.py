"""Tabs, cursors, acknowledgements: who is told what, from where on, and how often."""

import asyncio
from typing import Any

import pytest

from tests.delivery.served import System, cursor, script, tab

LENGTH = len(script("", [""] * 6))


async def test_two_tabs_stand_at_different_places(system: System) -> None:
    """Each tab of one answer has its own cursor: both end with every entry once."""
    async with tab(system) as first, tab(system) as second:
        accepted = await first.ask("held 6")
        answer = accepted["answer"]
        system.pipeline.release(8)
        await first.chunks(8)
        await second.resume(cursor(accepted, 3))
        system.pipeline.release(LENGTH)
        await first.until("end")
        await second.until("end")
        assert [seq for seq, _ in first.entries(answer)] == list(range(LENGTH))
        assert [seq for seq, _ in second.entries(answer)] == list(range(4, LENGTH))


async def test_the_same_ask_twice_in_one_connection(system: System) -> None:
    """A repeated ask is accepted again with the same answer, which is generated and told once."""
    async with tab(system) as only:
        first = await only.ask("held 6", id="same")
        second = await only.ask("held 6", id="same")
        assert second["answer"] == first["answer"]
        system.pipeline.release(LENGTH)
        await only.until("end")
        await only.settled()
        assert [seq for seq, _ in only.entries(first["answer"])] == list(range(LENGTH))
        assert [event["type"] for event in only.events].count("end") == 1
        assert system.pipeline.told == LENGTH


async def test_the_same_ask_in_two_connections_at_once(system: System) -> None:
    """Both are accepted with one answer and both are told all of it."""
    async with tab(system) as first, tab(system) as second:
        accepted = await asyncio.gather(first.ask("6", id="same"), second.ask("6", id="same"))
        assert len({event["answer"] for event in accepted}) == 1
        for each in (first, second):
            await each.until("end")
            assert [seq for seq, _ in each.entries(accepted[0]["answer"])] == list(range(LENGTH))
    assert system.pipeline.told == LENGTH


async def test_an_ask_repeated_after_the_end_replays_the_answer(system: System) -> None:
    """A client that missed its `accepted` asks again under the same id: same answer, whole, marked as replay."""
    async with tab(system) as first:
        accepted = await first.ask("6", id="same")
        await first.until("end")
    async with tab(system) as second:
        again = await second.ask("6", id="same")
        assert again["answer"] == accepted["answer"]
        await second.until("end")
        chunks = [event for event in second.events if event["type"] == "chunk"]
        assert [event["seq"] for event in chunks] == list(range(LENGTH))
        assert all(event["replay"] for event in chunks)


async def test_a_stop_from_another_connection(system: System) -> None:
    """Any tab of the user may stop; every tab sees the partial text closed, `abort`, and the end `stopped`."""
    async with tab(system) as first, tab(system) as second:
        accepted = await first.ask("held 6")
        system.pipeline.release(9)
        await first.chunks(9)
        await second.send("stop", answer=accepted["answer"])
        end = await first.until("end")
        assert end["state"] == "stopped"
        kinds = [chunk["type"] for _, chunk in first.entries(accepted["answer"])]
        assert kinds[-4:] == ["text-delta", "text-delta", "text-end", "abort"]
        assert system.pipeline.cancelled == 1


async def test_a_stop_of_a_sealed_answer_is_no_error(system: System) -> None:
    """It came too late: nothing changes and nothing is said."""
    async with tab(system) as only:
        accepted = await only.ask("1")
        await only.until("end")
        await only.send("stop", answer=accepted["answer"])
        await only.settled()
        assert only.events[-2]["type"] == "end"
        assert (await system.sealed(accepted["answer"])).state == "completed"


async def acknowledged(system: System, answer: str, seq: int) -> None:
    """An ack has no reply, and another connection's resume may overtake it: waits until the log has it."""
    async with asyncio.timeout(60):
        while (meta := await system.answers.meta(answer)) is None or meta.acknowledged < seq:  # noqa: ASYNC110
            await asyncio.sleep(0.002)


async def test_an_acknowledged_answer_is_not_delivered_again(system: System) -> None:
    """After the ack of its last seq a resume doesn't name it, unless a cursor asks for it."""
    async with tab(system) as first:
        accepted = await first.ask("6")
        end = await first.until("end")
        await first.send("ack", answer=accepted["answer"], seq=end["seq"])
        await acknowledged(system, accepted["answer"], end["seq"])
    async with tab(system) as second:
        assert (await second.resume())["answers"] == []
        resumed = await second.resume(cursor(accepted, 2))
        assert [answer["verdict"] for answer in resumed["answers"]] == ["resumed"]
        await second.until("end")
        assert [seq for seq, _ in second.entries(accepted["answer"])] == list(range(3, LENGTH))


async def test_an_answer_acknowledged_in_part_is_delivered_whole(system: System) -> None:
    """Without a cursor the client has lost what it had, whatever it once acknowledged."""
    async with tab(system) as first:
        accepted = await first.ask("6")
        await first.until("end")
        await first.send("ack", answer=accepted["answer"], seq=LENGTH - 2)
        await acknowledged(system, accepted["answer"], LENGTH - 2)
    async with tab(system) as second:
        (answer,) = (await second.resume())["answers"]
        assert answer["verdict"] == "snapshot"
        await second.until("end")
        assert [seq for seq, _ in second.entries(accepted["answer"])] == list(range(LENGTH))


async def test_a_client_that_was_away_for_the_whole_answer(system: System) -> None:
    """Every answer of the chat that was not delivered comes, the oldest question first, each once."""
    async with tab(system) as first:
        answers = [(await first.ask("held 6", id=f"q{n}"))["answer"] for n in range(3)]
        first.cut()
    system.pipeline.release(3 * LENGTH)
    for answer in answers:
        await system.sealed(answer)
    async with tab(system) as second:
        resumed = await second.resume()
        assert [(a["answer"], a["verdict"], a["state"]) for a in resumed["answers"]] == [
            (answer, "snapshot", "completed") for answer in answers
        ]
        for _ in answers:
            await second.until("end")
        for answer in answers:
            assert [seq for seq, _ in second.entries(answer)] == list(range(LENGTH))


async def test_nothing_of_another_user_is_there(system: System) -> None:
    """Somebody else's chat is empty, their cursor is `gone`, their answer can be neither stopped nor acknowledged."""
    async with tab(system, user="ada") as hers:
        accepted = await hers.ask("held 6")
        system.pipeline.release(5)
        await hers.chunks(5)
        async with tab(system, user="bob") as his:
            assert (await his.resume())["answers"] == []
            (gone,) = (await his.resume(cursor(accepted, 2)))["answers"]
            assert (gone["verdict"], gone["state"], gone["head"]) == ("gone", "gone", 0)
            for command in ({"type": "stop"}, {"type": "ack", "seq": 1}):
                await his.send(**command, answer=accepted["answer"])
                error = await his.until("error")
                assert (error["code"], error["answer"]) == ("unknown_answer", accepted["answer"])
            assert his.entries(accepted["answer"]) == []
        system.pipeline.release(LENGTH)
        assert (await hers.until("end"))["state"] == "completed"


async def test_the_ask_id_of_another_user_is_no_key_to_their_answer(system: System) -> None:
    """The same idempotency key of two users makes two answers."""
    async with tab(system, user="ada") as hers, tab(system, user="bob") as his:
        answers = {(await each.ask("1", id="same"))["answer"] for each in (hers, his)}
        assert len(answers) == 2


async def test_a_cursor_of_another_chat_is_gone(system: System) -> None:
    """A cursor belongs to the chat that is resumed."""
    async with tab(system) as only:
        accepted = await only.ask("6", chat="c1")
        await only.until("end")
        (gone,) = (await only.resume(cursor(accepted, 2), chat="c2"))["answers"]
        assert gone["verdict"] == "gone"


@pytest.mark.parametrize(
    ("epoch", "seq"), [("elsewhen", 3), ("", 3), (None, LENGTH), (None, 2**53 - 1), ("elsewhen", -1)]
)
async def test_a_cursor_that_points_nowhere_gives_a_snapshot(system: System, epoch: str | None, seq: int) -> None:
    """Of another epoch, or ahead of the log: never a partial replay, but the answer from its start."""
    async with tab(system) as only:
        accepted = await only.ask("6")
        await only.until("end")
        only.events.clear()
        place = {**cursor(accepted, seq), **({} if epoch is None else {"epoch": epoch})}
        (answer,) = (await only.resume(place))["answers"]
        assert (answer["verdict"], answer["epoch"]) == ("snapshot", accepted["epoch"])
        await only.until("end")
        assert [seq for seq, _ in only.entries(accepted["answer"])] == list(range(LENGTH))


async def test_a_cursor_at_the_very_end_gives_only_the_end(system: System) -> None:
    """Nothing is missing: the verdict, and the end once more."""
    async with tab(system) as only:
        accepted = await only.ask("6")
        end = await only.until("end")
        only.events.clear()
        await only.resume(cursor(accepted, end["seq"]))
        assert await only.until("end") == end
        assert only.entries(accepted["answer"]) == []


async def test_cursors_of_one_answer_that_contradict(system: System) -> None:
    """One answer gets one verdict and is told once, however many cursors name it."""
    async with tab(system) as only:
        accepted = await only.ask("6")
        await only.until("end")
        only.events.clear()
        resumed = await only.resume(cursor(accepted, 2), cursor(accepted, 7), {**cursor(accepted, 2), "epoch": "x"})
        assert len(resumed["answers"]) == 1
        await only.until("end")
        await only.settled()
        seqs = [seq for seq, _ in only.entries(accepted["answer"])]
        assert seqs == list(range(seqs[0], LENGTH))


async def test_a_resume_of_answers_that_are_being_followed(system: System) -> None:
    """Each `resumed` says anew where every answer continues, and so it does, also those that this connection was being
    told already: behind the cursor, contiguous, to the end."""
    async with tab(system) as only:
        accepted = [await only.ask("held 200", id=f"q{n}") for n in range(3)]
        expected: dict[str, int] = {}
        for _ in range(20):
            system.pipeline.release(20)
            places = {
                each["answer"]: max((s for s, _ in only.entries(each["answer"])), default=-1) for each in accepted
            }
            seen = len(only.events)
            await only.resume(*(cursor(each, places[each["answer"]]) for each in accepted))
            check_contiguous(only.events[seen:], expected)
            expected = {answer: seq + 1 for answer, seq in places.items()}
        system.pipeline.release(600)
        seen = len(only.events)
        for _ in accepted:
            await only.until("end")
        check_contiguous(only.events[seen:], expected)
        assert set(expected.values()) == {len(script("", [""] * 200))}


def check_contiguous(events: list[dict[str, Any]], expected: dict[str, int]) -> None:
    """Each entry is the next one of its answer."""
    for event in events:
        if event["type"] == "chunk":
            assert event["seq"] == expected.get(event["answer"], 0)
            expected[event["answer"]] = event["seq"] + 1
