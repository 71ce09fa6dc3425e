"""The Markdown of an extractive answer: quotes by source, facts as bullets, records as a table, and the refusal.
Pure; the few words of its own are here, in both languages."""

import re
from collections.abc import Mapping, Sequence
from itertools import groupby

from chatserver.models.chains import short_title
from chatserver.models.comparison import Compared, Event
from chatserver.models.features import Candidate
from graph.types import Fact, Note, Record
from retrieval.text import Language
from retrieval.types import RankedPassage, Scalar

NO_MODEL: Mapping[Language, str] = {
    "en": "No language model is configured: this answer is made of literal extracts from the sources.",
    "nl": "Er is geen taalmodel ingesteld: dit antwoord bestaat uit letterlijke fragmenten uit de bronnen.",
}
_NOTHING: Mapping[Language, str] = {
    "en": "The sources do not answer this.",
    "nl": "De bronnen geven hier geen antwoord op.",
}
_MISSING: Mapping[Language, str] = {
    "en": "Nothing was found about {names}.",
    "nl": "Er is niets gevonden over {names}.",
}
_PARTLY: Mapping[Language, str] = {
    "en": "The sources cover this in part only.",
    "nl": "De bronnen gaan hier maar gedeeltelijk over.",
}
_NEAREST: Mapping[Language, str] = {"en": "Nearest to it:", "nl": "Het dichtst in de buurt komt:"}
_RELATED: Mapping[Language, str] = {"en": "Related:", "nl": "Verwant:"}
_FOUND: Mapping[Language, str] = {"en": "Found in the records:", "nl": "Gevonden in de gegevens:"}

_NOTES: Mapping[Language, Mapping[str, str]] = {
    "en": {
        "unknown_value": "No {of} is called “{name}”.",
        "unknown_field": "{of} has no field “{name}”.",
        "unknown_collection": "There are no records called “{name}”.",
        "empty_range": "There is no {of} with {name}.",
        "nothing_more": "Nothing more was found about “{name}”.",
        "not_searched": "It could not be searched for “{name}” just now.",
        "not_followed": "It was not followed up: “{name}”.",
    },
    "nl": {
        "unknown_value": "Geen {of} heet “{name}”.",
        "unknown_field": "{of} heeft geen veld “{name}”.",
        "unknown_collection": "Er zijn geen gegevens die “{name}” heten.",
        "empty_range": "Er is geen {of} met {name}.",
        "nothing_more": "Over “{name}” is verder niets gevonden.",
        "not_searched": "Er kon nu niet worden gezocht naar “{name}”.",
        "not_followed": "Niet verder uitgezocht: “{name}”.",
    },
}
_THERE_IS: Mapping[Language, str] = {"en": "There is:", "nl": "Wel is er:"}

_EVENTS: Mapping[Language, Mapping[Event, str]] = {
    "en": {"born": "born", "died": "died"},
    "nl": {"born": "geboren", "died": "overleden"},
}

MOST_COLUMNS = 8
_OWN_MARK = re.compile(r"\[([0-9, ]{1,24})\]")


def answer(
    language: Language,
    *,
    short: str = "",
    partly: str = "",
    missing: Sequence[str] = (),
    notes: Sequence[Note] = (),
    table: str = "",
    quotes: str = "",
    facts: str = "",
) -> str:
    """The parts that there are, a blank line between them. `missing`: names of which the sources say nothing."""
    return "\n\n".join(
        part
        for part in (
            short,
            partly,
            _missing(language, missing),
            " ".join(note_text(language, note) for note in notes),
            f"{_FOUND[language]}\n\n{table}" if table else "",
            quotes,
            f"{_RELATED[language]}\n\n{facts}" if facts else "",
        )
        if part
    )


def partly(language: Language, missing: Sequence[str]) -> str:
    """That only a part is covered, and of what nothing was found."""
    return f"{_PARTLY[language]} {_missing(language, missing)}".strip()


def refusal(language: Language, missing: Sequence[str], titles: Sequence[str]) -> str:
    """What was not found, and the titles that came nearest."""
    told = f"{_NOTHING[language]} {_missing(language, missing)}".strip()
    nearest = "\n".join(f"- {unmarked(title)}" for title in list(dict.fromkeys(titles))[:3])
    return f"{told}\n\n{_NEAREST[language]}\n\n{nearest}" if nearest else told


def comparison(language: Language, found: Compared, passages: Sequence[RankedPassage], numbers: Sequence[int]) -> str:
    """One sentence: the answer in bold, and the dates of both with their marks."""
    event = _EVENTS[language][found.event]
    told = []
    for lived, title in ((found.one, f"**{found.one.title}**"), (found.other, found.other.title)):
        person = f" ({short_title(passages[lived.sources[-1]].passage.title)})" if len(lived.sources) > 1 else ""
        marks = "".join(f"[{numbers[source]}]" for source in lived.sources)
        told.append(f"{title}{person}: {event} {lived.written} {marks}")
    return "; ".join(told) + "."


def quotes(passages: Sequence[RankedPassage], numbers: Sequence[int], chosen: Sequence[Candidate]) -> str:
    """The title of each source in bold, its quotes as bullets under it, each with its mark: its source's number."""
    blocks = []
    for source, group in groupby(chosen, key=lambda c: c.source):
        title = unmarked(passages[source].passage.title)
        bullets = [f"- “{c.sentence.text}” [{numbers[source]}]" for c in group]
        blocks.append("\n".join([f"**{title}**", "", *bullets]))
    return "\n\n".join(blocks)


def note_text(language: Language, note: Note) -> str:
    """In a sentence what was not found, and what there is instead."""
    told = _NOTES[language][note.code].format(name=note.name, of=note.of)
    return f"{told} {_THERE_IS[language]} {', '.join(note.nearest)}." if note.nearest else told


def bullets(facts: Sequence[Fact], numbers: Mapping[str, int]) -> str:
    """A line for each, with the mark of the passage that it came from. `numbers`: passage id -> source number."""
    said = [unmarked(f"{fact.subject} — {fact.relation} — {fact.object}") for fact in facts]
    return "\n".join(f"- {words}{_mark(fact, numbers)}" for words, fact in zip(said, facts, strict=True))


def _mark(fact: Fact, numbers: Mapping[str, int]) -> str:
    return f" [{numbers[fact.source]}]" if fact.source in numbers else ""


def table(records: Sequence[Record], numbers: Sequence[int]) -> str:
    """One table for each collection, and one for its totals: ids with their marks, and fields. `numbers` are their
    source numbers."""
    tables = []
    for rows in _alike(list(zip(numbers, records, strict=True))):
        collection = rows[0][1].collection
        columns = list(dict.fromkeys(name for _, record in rows for name in record.fields))[:MOST_COLUMNS]
        lines = [_row([collection, *columns]), _row(["---"] * (len(columns) + 1))]
        lines += [
            _row([record.id, *(_cell(record.fields.get(name)) for name in columns)], mark=f" [{n}]")
            for n, record in rows
        ]
        tables.append("\n".join(lines))
    return "\n\n".join(tables)


def _alike(numbered: Sequence[tuple[int, Record]]) -> list[list[tuple[int, Record]]]:
    """Records of one collection that share fields stand together; totals share none with the records."""
    groups: list[list[tuple[int, Record]]] = []
    for n, record in numbered:
        first = groups[-1][0][1] if groups else None
        shared = first is not None and (not record.fields or not record.fields.keys().isdisjoint(first.fields))
        if first is not None and first.collection == record.collection and shared:
            groups[-1].append((n, record))
        else:
            groups.append([(n, record)])
    return groups


def record_text(record: Record) -> str:
    """A record in words, as it is quoted and searched."""
    fields = ", ".join(f"{name}: {_cell(value)}" for name, value in record.fields.items() if value is not None)
    return f"{record.collection} {record.id}: {fields}"


def _missing(language: Language, names: Sequence[str]) -> str:
    return _MISSING[language].format(names=", ".join(f"“{name}”" for name in names)) if names else ""


def unmarked(text: str) -> str:
    """A text's own `[2]` as `(2)`: it would cite our source 2, also when a model copies it, and a line that begins
    with it would pass for a source of its own."""
    return _OWN_MARK.sub(r"(\1)", text)


def _row(cells: Sequence[str], mark: str = "") -> str:
    """One line, whatever the cells hold; the mark stands behind the first."""
    first, *others = [" ".join(unmarked(cell).replace("|", "/").split()) for cell in cells]
    return "| " + " | ".join([first + mark, *others]) + " |"


def _cell(value: Scalar | None) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)
