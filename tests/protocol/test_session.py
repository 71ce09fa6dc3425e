"""One connection's conversation: whatever comes in, the effects keep the promises of the wire."""

import json
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from chatserver.answers.meta import AnswerMeta, NewAnswer
from chatserver.answers.position import Verdict
from chatserver.answers.states import AnswerState
from chatserver.protocol import commands, events
from chatserver.protocol.codes import CloseCode, ErrorCode
from chatserver.protocol.session import (
    MAX_OFFENCES,
    Close,
    Effect,
    Follow,
    Limits,
    Perform,
    Send,
    Session,
    Unfollow,
)

LIMITS = Limits(max_message_bytes=400, max_question_characters=50)
IDS = st.sampled_from(["a1", "a2", "a3"])


def meta(answer: str, *, chat: str = "c1", head: int = 5, state: AnswerState = AnswerState.RUNNING) -> AnswerMeta:
    new = NewAnswer(answer, f"e-{answer}", "ada", chat, f"ask-{answer}", "?", float(answer[1:]))
    return AnswerMeta(new, state, 1, None, head, -1, False, 0.0)


def frame(**fields: Any) -> str:
    return json.dumps(fields)


def ask(id: str = "q") -> commands.Ask:
    return commands.Ask(type="ask", id=id, chat="c1", text="?")


def sent(effects: list[Effect]) -> list[Any]:
    return [effect.event for effect in effects if isinstance(effect, Send)]


class Conversation(RuleBasedStateMachine):
    """A model of one connection: which answers are followed, whether it drains, whether it is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.session = Session(LIMITS)
        self.followed: dict[str, int] = {}
        self.offences = 0
        self.closes = 0
        self.draining = False

    def take(self, effects: list[Effect]) -> list[Effect]:
        """Carries the effects out in the model, which checks them."""
        for effect in effects:
            assert not self.closes, "nothing after the close"
            match effect:
                case Follow(answer, epoch, first, live):
                    assert answer not in self.followed, "followed at most once"
                    assert epoch == f"e-{answer}"
                    assert 0 <= first <= live
                    self.followed[answer] = first
                case Unfollow(answer):
                    del self.followed[answer]
                case Close():
                    self.closes += 1
                case Send(event):
                    json.loads(event.frame())
        return effects

    @rule(text=st.text(max_size=30) | st.binary(max_size=5) | st.just("x" * 401) | st.just("é" * 201))
    def garbage(self, text: str | bytes) -> None:
        effects = self.take(self.session.receive(text))
        if self.closes and not effects:
            return
        assert [event.type for event in sent(effects)] == ["error"]
        self.offences += 1
        assert (self.offences == MAX_OFFENCES) == isinstance(effects[-1], Close)

    @rule(id=st.integers(0, 9))
    def ping(self, id: int) -> None:
        effects = self.take(self.session.receive(frame(type="ping", id=id)))
        assert effects == ([] if self.closes else [Send(events.Pong(id=id))])

    @rule(id=IDS)
    def ask_frame(self, id: str) -> None:
        effects = self.take(self.session.receive(frame(type="ask", id=id, chat="c1", text="why?")))
        if self.closes:
            assert effects == []
        elif self.draining:
            (error,) = sent(effects)
            assert isinstance(error, events.Error)
            assert (error.code, error.id) == (ErrorCode.DRAINING, id)
            assert error.retry_after_ms is not None
        else:
            assert [type(effect) for effect in effects] == [Perform]

    @rule(answer=IDS, head=st.integers(0, 9), sealed=st.booleans())
    def asked(self, answer: str, head: int, sealed: bool) -> None:
        known = answer in self.followed
        state = AnswerState.COMPLETED if sealed else AnswerState.RUNNING
        effects = self.take(self.session.asked(ask(), meta(answer, head=head, state=state)))
        if not self.closes:
            assert effects[0] == Send(events.Accepted(id="q", answer=answer, chat="c1", epoch=f"e-{answer}"))
            assert len(effects) == (1 if known else 2)

    @rule(
        pending=st.sets(IDS),
        known=st.sets(IDS),
        elsewhere=st.sets(IDS),
        cursors=st.lists(st.tuples(st.sampled_from(["a1", "a2", "a3", "a9"]), st.booleans(), st.integers(-1, 7))),
    )
    def resumed(
        self, pending: set[str], known: set[str], elsewhere: set[str], cursors: list[tuple[str, bool, int]]
    ) -> None:
        before = dict(self.followed)
        fields = [
            commands.CursorField(answer=answer, epoch=f"e-{answer}" if same else "else", seq=seq)
            for answer, same, seq in cursors
        ]
        resume = commands.Resume(type="resume", chat="c1", cursors=fields)
        effects = self.take(
            self.session.resumed(
                resume,
                [meta(answer) for answer in sorted(pending)],
                {answer: meta(answer, chat="c2" if answer in elsewhere else "c1") for answer in known},
            )
        )
        if self.closes:
            return
        (event,) = sent(effects)
        assert isinstance(event, events.Resumed)
        verdicts = {told.answer: told.verdict for told in event.answers}
        assert len(verdicts) == len(event.answers), "exactly one verdict for each answer"
        assert verdicts.keys() == pending | (known - elsewhere) | {answer for answer, _, _ in cursors}
        here = pending | (known - elsewhere)
        assert {answer for answer, verdict in verdicts.items() if verdict is Verdict.GONE} == verdicts.keys() - here
        follows = {effect.answer: effect for effect in effects if isinstance(effect, Follow)}
        assert follows.keys() == here
        for answer, follow in follows.items():
            told = [cursor for cursor in cursors if cursor[0] == answer]
            assert (verdicts[answer] is Verdict.SNAPSHOT) == (follow.first == 0) or (answer, True, -1) in told
        assert {effect.delivery for effect in effects if isinstance(effect, Unfollow)} == before.keys() & here
        places = [type(effect) for effect in effects]
        assert places == sorted(places, key=[Unfollow, Send, Follow].index), "old runs end before the verdict"

    @precondition(lambda self: self.followed)
    @rule(data=st.data())
    def ended(self, data: st.DataObject) -> None:
        answer = data.draw(st.sampled_from(sorted(self.followed)))
        effects = self.take(self.session.ended(answer, 4, AnswerState.STOPPED))
        if not self.closes:
            del self.followed[answer]
            assert sent(effects) == [events.End(answer=answer, seq=4, state=AnswerState.STOPPED)]

    @rule()
    def failed(self) -> None:
        effects = self.take(self.session.failed(ErrorCode.UNAVAILABLE, "later", id="q", retry_after_ms=5))
        assert len(effects) == (0 if self.closes else 1)

    @rule(retry=st.integers(1, 9))
    def drain(self, retry: int) -> None:
        effects = self.take(self.session.drain(retry))
        assert effects == ([] if self.closes or self.draining else [Send(events.Draining(retry_after_ms=retry))])
        self.draining = self.draining or not self.closes

    @precondition(lambda self: self.offences > 3)
    @rule(code=st.sampled_from(CloseCode))
    def close(self, code: CloseCode) -> None:
        effects = self.take(self.session.close(code, "bye"))
        assert self.closes == 1
        assert effects in ([], [Close(code, "bye")])

    @invariant()
    def closed_once(self) -> None:
        assert self.closes <= 1
        assert self.session.closed == bool(self.closes)


Conversation.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestConversation = Conversation.TestCase


def test_a_binary_frame_and_one_too_large_have_their_codes() -> None:
    """Bytes count, not characters; the connection goes on."""
    session = Session(LIMITS)
    codes = [
        event.code
        for text in (b"{}", "x" * 401, "é" * 201, "x" * 400)
        for event in sent(session.receive(text))
        if isinstance(event, events.Error)
    ]
    assert codes == ["binary_frame", "message_too_large", "message_too_large", "invalid_json"]
    assert not session.closed


def test_offences_end_with_a_policy_close() -> None:
    """The last offence is told before the close; commands between them are no offences and forgive none."""
    session = Session(LIMITS)
    for _ in range(MAX_OFFENCES - 1):
        session.receive("{")
        session.receive(frame(type="ping"))
    error, close = session.receive("{")
    assert isinstance(error, Send)
    assert close == Close(CloseCode.POLICY, "too_many_offences")
    assert session.receive(frame(type="ping")) == []
