"""Programs of the machine that these tests run."""

import os
import shutil
from typing import NoReturn

import pytest


def lacking(what: str) -> NoReturn:
    """Skips the test; in CI, which has everything, that is a failure."""
    if os.environ.get("CI"):
        pytest.fail(f"CI must have {what}")
    pytest.skip(f"needs {what}")


def require(program: str) -> str:
    """The path of a program that the test needs."""
    return shutil.which(program) or lacking(program)
