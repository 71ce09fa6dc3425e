"""The command line: `chatserver serve | ingest | ask | chat | search | prompts | check`."""

from chatserver.cli.commands import main

__all__ = ["main"]
