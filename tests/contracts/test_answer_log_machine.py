"""Any sequence of calls means the same to every implementation of the answer log."""

import asyncio
import dataclasses
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, TypeVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, multiple, rule

from chatserver.answers.log import AnswerLog, Batch, Claim, Conflict, Fenced
from chatserver.answers.states import AnswerState
from tests.contracts.answer_logs import IMPLEMENTATIONS, LEASE_S, Clock, entry, question, read_all

T = TypeVar("T")
USERS = st.sampled_from(["ada", "bob"])
OWNERS = st.sampled_from(["one", "two"])
SEALS = st.sampled_from([None, None, None, AnswerState.COMPLETED, AnswerState.STOPPED, AnswerState.FAILED])


class AnswerLogs(RuleBasedStateMachine):
    """Drives all implementations side by side; each call must give the same result or the same error."""

    answers: Bundle[str] = Bundle("answers")
    claims: Bundle[Claim] = Bundle("claims")
    batches: Bundle[tuple[Claim, Batch]] = Bundle("batches")

    @initialize()
    def open(self) -> None:
        self.runner = asyncio.Runner()
        self.clock = Clock()
        self.names: list[str] = []
        self.heads: dict[str, int] = {}
        self.stack = AsyncExitStack()
        self.directory = tempfile.TemporaryDirectory()
        opened = [factory(Path(self.directory.name), self.clock) for _, factory in sorted(IMPLEMENTATIONS.items())]
        self.logs = [self.runner.run(self.stack.enter_async_context(each)) for each in opened]

    def teardown(self) -> None:
        if hasattr(self, "runner"):
            self.runner.run(self.stack.aclose())
            self.runner.close()
            self.directory.cleanup()

    def same(self, call: Callable[[AnswerLog], Awaitable[T]]) -> T | None:
        """The common result of all implementations; None when all raised the same error."""

        async def outcome(log: AnswerLog) -> tuple[type[BaseException] | None, Any]:
            try:
                return None, await call(log)
            except (Fenced, Conflict) as error:
                return type(error), None

        first, *others = [self.runner.run(outcome(log)) for log in self.logs]
        for other in others:
            assert other == first
        result: T | None = first[1]
        return result

    @rule(target=answers, user=USERS, chat=st.sampled_from(["c1", "c2"]), ask=st.integers(0, 5), at=st.integers(0, 3))
    def create(self, user: str, chat: str, ask: int, at: int) -> str:
        id = f"a{len(self.names):03}"  # questions of one time have no other order than their names
        new = question(id, user=user, chat=chat, ask_id=f"ask{ask}", at=float(at))
        made = self.same(lambda log: log.create(new))
        assert made is not None
        if made[1]:
            self.names.append(id)
            self.heads[id] = 0
        return made[0].answer

    @rule(target=claims, answer=answers, owner=OWNERS)
    def claim(self, answer: str, owner: str) -> Any:
        held = self.same(lambda log: log.claim(answer, owner, LEASE_S))
        return multiple() if held is None else held[0]

    @rule(target=batches, claim=claims, count=st.integers(1, 4), off=st.sampled_from([0, 0, 0, 0, -1, 1]), seal=SEALS)
    def append(self, claim: Claim, count: int, off: int, seal: AnswerState | None) -> Any:
        first = self.heads[claim.answer] + off
        if first < 0:
            return multiple()
        batch = Batch(f"b{len(self.names)}-{self.clock.now}-{first}-{count}-{seal}-{claim.generation}", first, [], seal)
        batch = dataclasses.replace(batch, entries=[entry(first + n) for n in range(count)])
        appended = self.same(lambda log: log.append(claim, batch, LEASE_S))
        if appended is None:
            return multiple()
        self.heads[claim.answer] = max(self.heads[claim.answer], appended.head)
        return claim, batch

    @rule(told=batches)
    def append_again(self, told: tuple[Claim, Batch]) -> None:
        claim, batch = told
        appended = self.same(lambda log: log.append(claim, batch, LEASE_S))
        assert appended is not None
        assert appended.head == batch.expected_head + len(batch.entries)

    @rule(claim=claims)
    def renew(self, claim: Claim) -> None:
        self.same(lambda log: log.renew(claim, LEASE_S))

    @rule(claim=claims)
    def release(self, claim: Claim) -> None:
        self.same(lambda log: log.release(claim))

    @rule(user=USERS, answer=answers)
    def stop(self, user: str, answer: str) -> None:
        self.same(lambda log: log.request_stop(user, answer))

    @rule(user=USERS, answer=answers, seq=st.integers(0, 12))
    def acknowledge(self, user: str, answer: str, seq: int) -> None:
        self.same(lambda log: log.acknowledge(user, answer, seq))

    @rule(answer=answers, name=st.sampled_from(["claimed", "sealed"]), at=st.integers(0, 3))
    def mark(self, answer: str, name: str, at: int) -> None:
        self.same(lambda log: log.mark(answer, {name: float(at)}))
        self.same(lambda log: log.timeline(answer))

    @rule(seconds=st.sampled_from([1.0, LEASE_S, LEASE_S + 1]))
    def wait(self, seconds: float) -> None:
        self.clock.now += seconds

    @rule(user=USERS, undelivered=st.booleans())
    def look(self, user: str, undelivered: bool) -> None:
        for chat in ("c1", "c2"):
            self.same(lambda log, chat=chat: log.chat(user, chat, undelivered=undelivered))  # type: ignore[misc]
        self.same(lambda log: _chats(log, user))
        for owner in ("one", "two"):
            self.same(lambda log, owner=owner: _sorted(log.stop_requests(owner)))  # type: ignore[misc]

    @invariant()
    def the_logs_are_the_same_and_contiguous(self) -> None:
        if not hasattr(self, "logs"):
            return
        for answer in self.names:
            meta = self.same(lambda log, answer=answer: log.meta(answer))  # type: ignore[misc]
            assert meta is not None
            entries = self.same(lambda log, answer=answer: read_all(log, answer))  # type: ignore[misc]
            assert entries == [entry(seq) for seq in range(meta.head)]
            assert -1 <= meta.acknowledged < max(meta.head, 0) or meta.acknowledged == -1
            assert (meta.owner is not None) == (meta.state is AnswerState.RUNNING)
        self.same(lambda log: log.claimable(100))


async def _sorted(names: Awaitable[list[str]]) -> list[str]:
    return sorted(await names)


async def _chats(log: AnswerLog, user: str) -> list[tuple[str, float, int]]:
    """Chats last used at the same time have no order among them."""
    return sorted((chat.chat, chat.updated_at, chat.answers) for chat in await log.chats(user, 100))


AnswerLogs.TestCase.settings = settings(max_examples=15, stateful_step_count=30, deadline=None)
TestAnswerLogs = AnswerLogs.TestCase
