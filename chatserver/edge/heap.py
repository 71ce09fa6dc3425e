"""The heap of a process that serves, and of one that ingests."""

import gc
from typing import Final

_BATCHES: Final = 50_000
"""Objects: more than a few batches of an ingest are made of."""


def freeze_heap() -> None:
    """What start-up has made lives as long as the process. Left to the collector, all of it is looked at again every
    second or two under load, and each time nobody is served for some 40 ms (`docs/redis.md`)."""
    gc.collect()
    gc.freeze()


def collect_rarely() -> None:
    """What an ingest makes lives as long as its batch, and is gone by itself. Looked for cycles every 700 objects, as
    Python does, it takes 7 % of an ingest, and is moved among what lives long."""
    gc.set_threshold(_BATCHES, *gc.get_threshold()[1:])
