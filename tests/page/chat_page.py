"""The page as its reader sees and uses it."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, WebSocket, expect

_POLL_MS = 50
PATIENCE_MS = 30_000
"""For everything that is to come true, on a machine that is busy with other tests."""


class ChatPage:
    def __init__(self, page: Page, url: str | None) -> None:
        """Without an address what the page shows now, which may not be connected yet."""
        self.page = page
        self._commands: list[dict[str, Any]] = []
        page.on("websocket", self._listen)
        if url is not None:
            self.open(url)

    def open(self, url: str) -> None:
        self.page.goto(url)
        self.connected()

    def connected(self) -> None:
        expect(self.page.locator("#connection")).to_have_attribute("data-state", "open")

    @property
    def question(self) -> Locator:
        return self.page.get_by_role("textbox", name="Your question")

    @property
    def turns(self) -> Locator:
        return self.page.get_by_role("article")

    @property
    def text(self) -> Locator:
        """The text of the newest answer."""
        return self.turns.last.locator(".text")

    @property
    def chats(self) -> Locator:
        return self.page.get_by_role("navigation", name="Chats").get_by_role("listitem")

    def sent(self, kind: str) -> list[dict[str, Any]]:
        """The commands of this type that the page has sent, also before a reload."""
        return [command for command in self._commands if command["type"] == kind]

    def eventually(self, holds: Callable[[], bool]) -> None:
        for _ in range(PATIENCE_MS // _POLL_MS):
            if holds():
                return
            self.page.wait_for_timeout(_POLL_MS)
        pytest.fail("it never came to hold")

    def ask(self, question: str) -> None:
        self.question.fill(question)
        self.question.press("Enter")

    def wait_for(self, text: str) -> None:
        """Until the newest answer has this text, more or not."""
        expect(self.text).to_contain_text(text)

    def wait_until_over(self) -> None:
        expect(self.turns.last).to_have_attribute("aria-busy", "false")

    def expect_once(self, question: str, text: str) -> None:
        """One turn, and its answer is exactly this text."""
        self.wait_until_over()
        expect(self.turns).to_have_count(1)
        expect(self.turns.locator(".question")).to_have_text(f"Question{question}")
        expect(self.text).to_have_text(text.strip())

    def _listen(self, socket: WebSocket) -> None:
        socket.on("framesent", lambda frame: self._commands.append(json.loads(frame)))
