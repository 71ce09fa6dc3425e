"""Logs of commands that run parts of the server in this process."""

import logging
import sys

import structlog


def keep_logs_off_the_screen() -> None:
    """The terminal is the person's, and standard output the program's that reads it: what goes wrong is told by the
    result. Only what ends everything is logged, to standard error."""
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    logging.getLogger().addHandler(logging.NullHandler())  # else Python prints warnings itself
