"""Reads a tokenizer's file. The one file that imports `tokenizers`."""

from pathlib import Path
from typing import Any

from retrieval.errors import Permanent


def read_tokenizer(file: Path) -> Any:
    """A `tokenizers.Tokenizer`. Raises `Permanent` when the file is missing or is none."""
    from tokenizers import Tokenizer

    try:
        return Tokenizer.from_file(str(file))
    except Exception as error:  # tokenizers raises bare Exception
        raise Permanent(f"no tokenizer in {file.name}: {error}") from error
