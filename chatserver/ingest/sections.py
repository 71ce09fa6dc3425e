"""Chunks of a Markdown document: its sections are borders, and a passage's title tells which section it is in."""

from collections.abc import Iterator
from dataclasses import replace

from chatserver.ingest.markdown import headings
from retrieval.chunking import SIZE, chunk
from retrieval.types import Document, Passage

_HEADED = frozenset({"markdown", "html", "docx"})
"""Formats whose text is Markdown, as it came or as it was made."""
_SMALL = SIZE // 4
"""A section shorter than this is told together with the next."""


def passages_of(document: Document) -> list[Passage]:
    """The passages of any document, sections kept apart when its text is Markdown."""
    if document.metadata.get("format") not in _HEADED:
        return chunk(document)
    passages = [passage for section in _sections(document) for passage in _shifted(document, *section)]
    if len(passages) == 1:
        return [replace(passages[0], id=document.id)]
    return [replace(p, id=f"{document.id}#{index}", index=index) for index, p in enumerate(passages)]


def _shifted(document: Document, start: int, end: int, heading: str) -> Iterator[Passage]:
    title = f"{document.title} › {heading}" if heading and heading != document.title else document.title
    for passage in chunk(replace(document, text=document.text[start:end], title=title)):
        yield replace(passage, start=passage.start + start, end=passage.end + start)


def _sections(document: Document) -> Iterator[tuple[int, int, str]]:
    """(start, end, heading) of each section, small ones joined to what follows; the heading is the first one's."""
    start, heading = 0, ""
    for place, words in headings(document.text):
        body = document.text[start:place].strip()
        if len(body) >= _SMALL:
            yield start, place, heading
            start, heading = place, words
        elif not heading or not body:
            heading = words
    yield start, len(document.text), heading
