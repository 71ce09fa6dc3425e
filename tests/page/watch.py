"""What no page of ours may ever do."""

import re

from playwright.sync_api import ConsoleMessage, Page


class Watch:
    """What a page must never do: ask another origin for something, or report an error to the console."""

    def __init__(self) -> None:
        self.foreign: list[str] = []
        self.errors: list[str] = []
        # a response that was cut in its middle
        cut = "RESPONSE_HEADERS_TRUNCATED|CONTENT_LENGTH_MISMATCH|INCOMPLETE_CHUNKED_ENCODING"
        lost = rf"ERR_(CONNECTION|INTERNET|NETWORK|EMPTY|SOCKET|{cut})"
        self.expected = re.compile(rf"WebSocket connection to .* failed|{lost}")

    def add(self, page: Page) -> None:
        page.on("console", self._note)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("request", lambda request: self._ask(request.url))

    def _note(self, message: ConsoleMessage) -> None:
        unknown_name = "/v1/graph?" in message.location["url"] and "404" in message.text
        # a network that the test has cut, a name that it has made up
        if message.type == "error" and not self.expected.search(message.text) and not unknown_name:
            self.errors.append(message.text)

    def _ask(self, url: str) -> None:
        if not re.match(r"(http|ws)://127\.0\.0\.1:\d+/", url):
            self.foreign.append(url)
