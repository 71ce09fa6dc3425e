"""The fixed sentences of the pipeline, in both languages: answers to small talk, and failures in words fit for users.
Pure."""

from datetime import datetime

from chatserver.pipeline.decide import Kind
from retrieval.text import Language

_REPLIES: dict[Language, dict[Kind, str]] = {
    "en": {
        "greeting": "Hello! Ask me anything about the documents and records here; I answer with sources.",
        "well_being": "All is well, thank you. What would you like to know?",
        "thanks": "You're welcome.",
        "small_talk": "I am here for questions about the documents and records. What would you like to know?",
        "farewell": "Goodbye! Your chat stays here.",
        "capabilities": (
            "I answer questions from the documents and records that have been loaded here, and I show the source "
            "of each statement. You can ask for facts and procedures, or for records such as the newest event or all "
            "with a failure. When the sources don't say, I tell you so."
        ),
        "date": "Today is {weekday} {day} {month} {year} (UTC).",
        "time": "It is {clock} (UTC).",
        "empty": "I see no words in that. What would you like to know?",
    },
    "nl": {
        "greeting": "Hallo! Vraag me iets over de documenten en gegevens hier; ik antwoord met bronnen.",
        "well_being": "Alles goed, dank je. Wat wil je weten?",
        "thanks": "Graag gedaan.",
        "small_talk": "Ik ben er voor vragen over de documenten en gegevens. Wat wil je weten?",
        "farewell": "Tot ziens! Je gesprek blijft hier staan.",
        "capabilities": (
            "Ik beantwoord vragen uit de documenten en gegevens die hier zijn ingeladen, en laat bij elke uitspraak "
            "de bron zien. Je kunt vragen naar feiten en procedures, of naar gegevens zoals de nieuwste "
            "gebeurtenis of alles met een storing. Als de bronnen het niet zeggen, dan zeg ik dat."
        ),
        "date": "Vandaag is het {weekday} {day} {month} {year} (UTC).",
        "time": "Het is {clock} (UTC).",
        "empty": "Ik zie daar geen woorden in. Wat wil je weten?",
    },
}

_WEEKDAYS: dict[Language, str] = {
    "en": "Monday Tuesday Wednesday Thursday Friday Saturday Sunday",
    "nl": "maandag dinsdag woensdag donderdag vrijdag zaterdag zondag",
}
_MONTHS: dict[Language, str] = {
    "en": "January February March April May June July August September October November December",
    "nl": "januari februari maart april mei juni juli augustus september oktober november december",
}

_FAILURES: dict[Language, dict[str, str]] = {
    "en": {
        "answer_timeout": "The answer took too long and was ended. Please ask again.",
        "retrieval_failed": "The sources could not be searched just now. Please ask again in a moment.",
        "model_unauthorized": "The language model refused our key. The operator has to check its settings.",
        "model_rate_limited": "The language model is busy. Please ask again in a moment.",
        "model_unavailable": "The language model could not be reached. Please ask again in a moment.",
        "model_timeout": "The language model did not answer in time. Please ask again.",
        "model_rejected": "The language model refused this question.",
        "model_stream_broken": "The language model stopped in the middle of the answer. Please ask again.",
        "model_empty": "The language model gave no answer. Please ask again.",
        "invalid_script": "This script has a directive that does not exist.",
    },
    "nl": {
        "answer_timeout": "Het antwoord duurde te lang en is beëindigd. Stel de vraag opnieuw.",
        "retrieval_failed": "De bronnen konden nu niet doorzocht worden. Probeer het zo nog eens.",
        "model_unauthorized": "Het taalmodel weigerde onze sleutel. De beheerder moet de instellingen nakijken.",
        "model_rate_limited": "Het taalmodel heeft het druk. Probeer het zo nog eens.",
        "model_unavailable": "Het taalmodel was niet bereikbaar. Probeer het zo nog eens.",
        "model_timeout": "Het taalmodel antwoordde niet op tijd. Stel de vraag opnieuw.",
        "model_rejected": "Het taalmodel weigerde deze vraag.",
        "model_stream_broken": "Het taalmodel stopte midden in het antwoord. Stel de vraag opnieuw.",
        "model_empty": "Het taalmodel gaf geen antwoord. Stel de vraag opnieuw.",
        "invalid_script": "Dit script heeft een opdracht die niet bestaat.",
    },
}
_UNEXPECTED: dict[Language, str] = {
    "en": "Something went wrong while answering. Please ask again.",
    "nl": "Er ging iets mis bij het antwoorden. Stel de vraag opnieuw.",
}


def reply(kind: Kind, language: Language, now: datetime) -> str:
    """The answer to small talk; `now` is aware and is told in UTC. `retrieve` has no such answer: KeyError."""
    return _REPLIES[language][kind].format(
        weekday=_WEEKDAYS[language].split()[now.weekday()],
        month=_MONTHS[language].split()[now.month - 1],
        day=now.day,
        year=now.year,
        clock=f"{now:%H:%M}",
    )


def failure(code: str, language: Language) -> str:
    """What a user reads for an error code; an unknown code gets a general sentence."""
    return _FAILURES[language].get(code, _UNEXPECTED[language])
