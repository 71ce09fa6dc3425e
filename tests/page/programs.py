"""Programs of the machine that these tests run."""

import os
import shutil

import pytest


def require(program: str) -> str:
    """Its path. Without it the test is skipped, but in CI, which has it, that is a failure."""
    path = shutil.which(program)
    if path is None and os.environ.get("CI"):
        pytest.fail(f"CI must have {program}")
    return path or pytest.skip(f"needs {program}")
