"""Parses files, each in a process of its own: what runs as `python -m chatserver.ingest.formats.process`.

Theory of operation
    This process imports the libraries once and forks for each file. The fork is bounded by the kernel (processor time,
    memory, no file written, no core) and by the clock and the reply's length here, so that a file that hangs, crashes
    or swells ends with its fork and nothing else. It has none of our settings: no key is in its environment.

    A request is a line of JSON on stdin, a reply is its length in eight bytes and JSON on stdout; one at a time. Where
    stdin ends while a file is parsed, whoever asked is gone, and both processes end.
"""

import math
import os
import resource
import select
import signal
import sys
import time
import warnings
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any, Final, NoReturn

import orjson

from chatserver.ingest.formats.parsed import Bounds, Parsed, Unreadable, clean

_FORMATS: Final = ("html", "pdf", "docx")
_BLOCK: Final = 1 << 16

TOO_SLOW: Final = {"code": "too_slow", "message": "reading it took too long and was ended"}
_TOO_BIG: Final = {"code": "too_much_text", "message": "more text comes out of it than is taken"}
_CRASHED: Final = {"code": "parser_crashed", "message": "reading it ended its reader: the file is damaged or hostile"}


def main() -> None:
    for format in _FORMATS:
        with suppress(ImportError):  # told for the file that needs it
            _parser(format)
    while line := sys.stdin.buffer.readline():
        reply = _answer(orjson.loads(line))
        sys.stdout.buffer.write(len(reply).to_bytes(8, "big") + reply)
        sys.stdout.buffer.flush()


def _parser(format: str) -> Any:
    """The module that parses a format, and imports its library."""
    return import_module(f"chatserver.ingest.formats.{format}")


def _answer(request: dict[str, Any]) -> bytes:
    bounds = Bounds(**request["bounds"])
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _parse_and_end(request, bounds, writing)
    os.close(writing)
    try:
        return _outcome(child, reading, bounds)
    finally:
        os.close(reading)


def _outcome(child: int, reading: int, bounds: Bounds) -> bytes:
    """Of the fork, which has ended when this returns."""
    ends = time.monotonic() + bounds.seconds
    reply = bytearray()
    ended: dict[str, str] | None = None
    while ended is None:
        ready, _, _ = select.select([reading, sys.stdin], [], [], max(0.0, ends - time.monotonic()))
        if sys.stdin in ready:
            os.kill(child, signal.SIGKILL)
            sys.exit()
        if not ready:
            ended = TOO_SLOW
        elif block := os.read(reading, _BLOCK):
            reply += block
            ended = _TOO_BIG if len(reply) > 2 * bounds.text else None  # quoted, it may be twice as long
        else:
            break
    if ended is not None:
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    if ended is None and os.WIFSIGNALED(status):
        ended = TOO_SLOW if os.WTERMSIG(status) in (signal.SIGXCPU, signal.SIGKILL) else _CRASHED
    return orjson.dumps(ended) if ended is not None else bytes(reply) or orjson.dumps(_CRASHED)


def _parse_and_end(request: dict[str, Any], bounds: Bounds, writing: int) -> NoReturn:
    try:
        nothing = os.open(os.devnull, os.O_RDWR)
        for stream in range(3):  # a library that prints writes into no reply
            os.dup2(nothing, stream)
        _bound(bounds)
        warnings.simplefilter("ignore")
        reply = orjson.dumps(_parsed(request, bounds))
        while reply:
            reply = reply[os.write(writing, reply) :]
    finally:
        os._exit(0)


def _bound(bounds: Bounds) -> None:
    signal.alarm(math.ceil(bounds.seconds) + 1)  # whatever becomes of who watches it
    seconds = max(1, round(bounds.seconds / 2))
    for limit, soft, hard in (
        (resource.RLIMIT_CPU, seconds, seconds + 1),
        (resource.RLIMIT_AS, bounds.memory, bounds.memory),
        (resource.RLIMIT_FSIZE, 0, 0),
        (resource.RLIMIT_CORE, 0, 0),
    ):
        _, most = resource.getrlimit(limit)
        if most != resource.RLIM_INFINITY:
            soft, hard = min(soft, most), min(hard, most)
        resource.setrlimit(limit, (soft, hard))


def _parsed(request: dict[str, Any], bounds: Bounds) -> dict[str, Any]:
    try:
        parsed: Parsed = _parser(request["format"]).parse(Path(request["path"]), bounds)
        text = clean(parsed.text)
        if not text:
            return {"code": "empty_text", "message": "there is no text in it"}
        return {"title": clean(parsed.title), "text": text, "metadata": parsed.metadata}
    except Unreadable as error:
        return {"code": error.code, "message": str(error)}
    except ImportError:
        return {"code": "format_not_installed", "message": "this kind of file needs the extra `files`"}
    except OSError:
        return {"code": "unreadable_file", "message": "the file can't be read"}
    except MemoryError:
        return {"code": "too_complex", "message": "reading it takes more memory than a file may have"}
    except RecursionError:
        return {"code": "too_complex", "message": "it is nested too deeply"}
    except Exception:  # whatever a library may raise over a file that is not as it should be
        return {"code": "damaged_file", "message": "its structure can't be read"}


if __name__ == "__main__":
    main()
