"""The JavaScript client, as any page of the server may import it, in a real browser."""

from playwright.sync_api import Page

from chatserver.models.scripted import parse_script
from tests.page.relay import Relay

QUESTION = "/script tokens=80 delay_ms=10"
ASK = """async (question) => {
  const { Client } = await import("/assets/client/index.js");
  window.client = new Client();
  window.stream = client.ask(question);
  window.seqs = [];
  window.done = (async () => { for await (const { seq } of stream) seqs.push(seq); })();
}"""
# Not `wait_for_function`: the page's policy lets nothing be evaluated from a string.
UNTIL = """async (words) => {
  while (stream.text.split(" ").length <= words) await new Promise((resolve) => setTimeout(resolve, 5));
}"""


def test_an_answer_through_a_cut_network(page: Page, relay: Relay) -> None:
    """Every entry once and in order, however often the network goes."""
    page.goto(relay.url)
    page.evaluate(ASK, QUESTION)
    for words in (10, 30):
        page.evaluate(UNTIL, words)
        relay.cut()
    page.evaluate("done")
    seqs = page.evaluate("seqs")
    assert seqs == list(range(len(seqs)))
    assert page.evaluate("stream.text") == parse_script(QUESTION).text()
    assert page.evaluate("client.resume(stream.chat).then((streams) => streams.length)") == 0


def test_a_stop_keeps_the_text(page: Page, relay: Relay) -> None:
    """Another client of the same page resumes the chat and stops it."""
    page.goto(relay.url)
    page.evaluate(ASK, "/script tokens=100000 delay_ms=5")
    page.evaluate(UNTIL, 10)
    stopped = """(async () => {
      const { Client } = await import("/assets/client/index.js");
      const [resumed] = await new Client().resume(stream.chat);
      resumed.stop();
      await Promise.all([resumed.result(), done]);
      return [resumed.state, stream.state, resumed.text === stream.text];
    })()"""
    assert page.evaluate(stopped) == ["stopped", "stopped", True]
