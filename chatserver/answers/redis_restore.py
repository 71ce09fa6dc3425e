"""Makes logs whole again that Redis has lost or rolled back, from what this process has appended and asked."""

import asyncio
import uuid
import zlib
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Final

import structlog

from chatserver.answers.log import Claim, LogUnavailable
from chatserver.answers.meta import NewAnswer
from chatserver.answers.redis_doorbell import Doorbell
from chatserver.answers.redis_held import START, Held, Kept
from chatserver.answers.redis_index import RedisIndex
from chatserver.answers.redis_keys import NEWS, entries_key, meta_key
from chatserver.answers.redis_scripts import COMPACT, CREATE, RESTORE
from chatserver.answers.redis_values import question_blob
from chatserver.redis.address import Address
from chatserver.redis.link import RedisLink
from chatserver.redis.shards import Shards

log = structlog.get_logger(__name__)

REMEMBER_S: Final = 15.0
"""How long a sealed answer and a new question are remembered: longer than what Redis may lose in a crash."""
PATIENT_S: Final = 2.0
"""How long a new Redis is given to get back what others have: they reconnect as fast as we do."""
_REMEMBERED = 1024
_SWEEP_S = 5.0

Send = Callable[[Claim, Kept, float], Awaitable[tuple[bytes, bytes, bytes]]]


class Restorer:
    """`send` appends; `now` is what scripts take for the time."""

    def __init__(
        self,
        writes: Shards,
        reads: Shards,
        index: RedisIndex,
        doorbell: Doorbell,
        send: Send,
        now: Callable[[], str],
    ) -> None:
        self.held: dict[str, Held] = {}
        self.restored = 0
        """How often all was looked at that may have been lost."""
        self._writes = writes
        self._reads = reads
        self._index = index
        self._doorbell = doorbell
        self._send = send
        self._now = now
        self._sealed: deque[Held] = deque()
        self._asked: deque[tuple[float, NewAnswer]] = deque()
        self._compactible: deque[Held] = deque(maxlen=_REMEMBERED)
        self._runs: dict[Address, str] = {}
        """Names each master from its start to its end."""
        self._unfinished = False
        """Not all was put back that may have been lost."""
        self._patient_until = 0.0
        self._patience_with_run = 0.0
        """Until when this run is given time, whichever of our links comes back to it later."""
        self._reconnected = asyncio.Event()
        self._tasks = (
            asyncio.create_task(self._sweep(), name="redis-sweep"),
            asyncio.create_task(self._restore_lost(), name="redis-restore"),
        )

    def held_by(self, claim: Claim) -> Held | None:
        held = self.held.get(claim.answer)
        return held if held is not None and held.claim == claim else None

    def note(self, held: Held, kept: Kept) -> None:
        """It was appended."""
        held.note(kept)
        if kept.seal is not None and held.sealed_at is None:
            held.sealed_at = _monotonic()
            self._sealed.append(held)
            self._forget_old()

    def asked(self, new: NewAnswer) -> None:
        """It was made."""
        self._asked.append((_monotonic(), new))
        self._forget_old()

    def let_go(self, claim: Claim) -> None:
        if self.held_by(claim):
            del self.held[claim.answer]

    async def restore(self, claim: Claim) -> bool:
        """Whether the log is again what this claim has appended to. When it can't be made so and nobody else has it,
        it gets another epoch and waits for an owner. Raises `LogUnavailable`."""
        held = self.held_by(claim)
        if held is None:
            return False
        while (done := await self._try(held)) is None:
            pass  # it changed while we looked
        return done

    @property
    def patient(self) -> bool:
        """This may be a Redis that has lost what other nodes are about to put back: what it lacks is not yet gone."""
        return _monotonic() < self._patient_until

    @property
    def lacks_ours(self) -> bool:
        """What this process has to put back is not there yet, however long that takes."""
        return self._unfinished

    def reconnected(self) -> None:
        """Called after a new connection: this may be another Redis, or one that has forgotten its last second."""
        self._patient_until = _monotonic() + PATIENT_S
        self._reconnected.set()

    async def note_runs(self) -> bool:
        """Whether all masters are those that they were last time, not started anew since: as far as they can be asked,
        on whichever of our links to them. The one may be back long before the other."""
        links = [*self._reads.masters.items(), *self._writes.masters.items()]
        replies = await asyncio.gather(*(_run_of(link) for _, link in links), return_exceptions=True)
        known, self._runs = self._runs, self._runs.copy()
        for (address, _), run in zip(links, replies, strict=True):
            if isinstance(run, str):
                self._runs[address] = run
            elif not isinstance(run, LogUnavailable):
                raise run
        return known == self._runs

    def run_of(self, answer: str) -> str:
        """Names the master that has this answer, from its start to its end."""
        return self._runs.get(self._writes.address_of(meta_key(answer).encode()), "")

    async def aclose(self) -> None:
        """Idempotent."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _restore_lost(self) -> None:
        while True:
            await self._reconnected.wait()
            self._reconnected.clear()
            until = self._patient_until
            if not await self.note_runs() or self._unfinished:
                self._patience_with_run = max(self._patience_with_run, until)
                await self._restore_all()
            elif not self._reconnected.is_set():  # else the one that came meanwhile may be another one
                self._patient_until = self._patience_with_run

    async def _restore_all(self) -> None:
        """All at once: others wait no longer than `PATIENT_S` for it."""
        self._forget_old()
        asked = (self._ask_again(new) for _, new in self._asked)
        held = (self.restore(held.claim) for held in self.held.values())
        done = await asyncio.gather(*asked, *held, return_exceptions=True)
        errors = [error for error in done if isinstance(error, BaseException)]
        if strange := [error for error in errors if not isinstance(error, LogUnavailable)]:
            raise strange[0]
        self._unfinished = bool(errors)  # the next connection begins it again
        if errors:
            log.warning("restoring was cut short", answers=len(errors), error=str(errors[0]))
        else:
            self.restored += 1

    async def _ask_again(self, new: NewAnswer) -> None:
        """In another epoch: it may have been answered in part or in whole, by a node that comes later than we do."""
        if await self._index.ask(new) == new.answer and new.answer not in self.held:
            epoch = uuid.uuid4().hex[:8]
            made = await CREATE.run(self._writes, _keys(new.answer), question_blob(new), epoch, new.user, 0)
            if made:
                log.warning("a question was lost and is asked again", answer=new.answer)
                await self._index.settle(new)

    async def _try(self, held: Held) -> bool | None:
        answer, generation = held.claim.answer, held.claim.generation
        values = await self._writes.call("HMGET", meta_key(answer), "g", "h", "x", "s", "o", "e")
        if values[0] is None:
            return await self._rebuild(held, ("", "", ""), held.after(0, START))
        seen, head, chain = int(values[0]), int(values[1]), values[2].decode()
        missing = held.after(head, chain)
        is_another = seen == generation and values[5].decode() != held.meta.epoch
        if seen > generation or is_another:  # told anew before we came: its readers know by the epoch
            return False
        if seen < generation or missing is None:
            return await self._rebuild(held, (str(seen), str(head), chain), missing)
        owned = values[3] == b"running" and values[4].decode() == held.claim.owner
        return await self._append(held, list(missing)) if owned else held.head == head

    async def _rebuild(self, held: Held, seen: tuple[str, str, str], missing: Any) -> bool | None:
        """Puts our claim back onto a log that is a beginning of ours; of another log we make one of a new epoch."""
        whole = missing is not None
        claim, question = held.claim, held.meta.question
        log.warning("answer log went back", answer=claim.answer, had=held.head, has=seen[1] or "nothing", whole=whole)
        owner = claim.owner if whole else ""
        done = await RESTORE.run(
            self._writes,
            _keys(claim.answer),
            *seen,
            question_blob(question),
            question.epoch if whole else uuid.uuid4().hex[:8],
            question.user,
            claim.generation if whole else claim.generation + 1,
            "running" if whole else "queued",
            owner,
            held.lease_s,
            self._now(),
            "0",
            NEWS,
            self._doorbell.changed(claim.answer) if whole else self._doorbell.released(claim.answer),
        )
        if done != 1:
            return False if done else None
        await self._index.ask(question)
        await self._index.settle(question)
        return await self._append(held, list(missing)) if whole else False

    async def _append(self, held: Held, missing: list[Kept]) -> bool:
        for kept in missing:
            verdict, _, _ = await self._send(held.claim, kept, held.lease_s)
            if verdict != b"ok":
                return False
        return True

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(_SWEEP_S)
            self._forget_old()
            try:
                while self._compactible:
                    await self._compact(self._compactible.popleft())
            except LogUnavailable as error:
                log.warning("ended answers stay uncompacted", error=str(error))

    async def _compact(self, held: Held) -> None:
        """Only of what is here in whole: else the answer stays as it is, which is no less right."""
        kept = held.after(0, START)
        if kept is None or held.head == 0:
            return
        batches = list(kept)
        blob = zlib.compress(b"\n".join(each.blob for each in batches))
        arguments = (held.head, held.chain, batches[-1].id, blob)
        await COMPACT.run(self._writes, _keys(held.claim.answer), *arguments)

    def _forget_old(self) -> None:
        before = _monotonic() - REMEMBER_S
        while self._asked and (self._asked[0][0] < before or len(self._asked) > _REMEMBERED):
            self._asked.popleft()
        while self._sealed and ((self._sealed[0].sealed_at or 0.0) < before or len(self._sealed) > _REMEMBERED):
            old = self._sealed.popleft()
            self.let_go(old.claim)
            self._compactible.append(old)


def _keys(answer: str) -> list[str]:
    return [meta_key(answer), entries_key(answer)]


def _monotonic() -> float:
    return asyncio.get_running_loop().time()


async def _run_of(master: RedisLink) -> str:
    info = (await master.call("INFO", "server")).decode()
    return str(info.split("run_id:")[1].split()[0])
