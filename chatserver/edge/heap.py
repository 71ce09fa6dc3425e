"""The heap of a process that serves."""

import gc


def freeze_heap() -> None:
    """What start-up has made lives as long as the process. Left to the collector, all of it is looked at again every
    second or two under load, and each time nobody is served for some 40 ms (`docs/redis.md`)."""
    gc.collect()
    gc.freeze()
