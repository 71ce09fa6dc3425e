"""All metrics of a process, and the text that Prometheus reads.

Theory of operation
    A process counts for itself. Where several serve one socket (`chatserver serve`), each writes its numbers into
    files of one directory, `PROMETHEUS_MULTIPROC_DIR`, which the supervisor makes; whoever is asked reads all of
    them, so that it is no matter which process answers. What a process has counted stays when it ends; what it had
    open (`live…` gauges) goes with it, here, since one that was killed can't do it itself.
"""

import os
import threading
from pathlib import Path
from typing import Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from chatserver.metrics.families import Families
from chatserver.metrics.process import measured
from chatserver.metrics.watches import Answers, Delivery, Jobs, Upstreams

DIRECTORY: Final = "PROMETHEUS_MULTIPROC_DIR"


class Metrics:
    """Of one process. The parts are the ports that other layers tell."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.families = Families(self._registry)
        self.answers = Answers(self.families)
        self.jobs = Jobs(self.families)
        self.delivery = Delivery(self.families)
        self.upstreams = Upstreams(self.families)
        self.families.processes.set(1)
        self.families.draining.set(0)
        self._cpu_s = 0.0

    def requested(self, door: str, method: str, status: int, seconds: float) -> None:
        """An HTTP request was answered; `door` is its path with placeholders."""
        self.families.requests.labels(door, method, str(status)).observe(seconds)

    def draining(self) -> None:
        self.families.drains.inc()
        self.families.draining.set(1)

    def measure(self) -> None:
        """Tells what the system knows of the process. It takes a millisecond for some thousands of descriptors."""
        now = measured()
        self.families.cpu.inc(max(0.0, now.cpu_s - self._cpu_s))
        self._cpu_s = now.cpu_s
        self.families.memory.set(now.memory_bytes)
        self.families.threads.set(now.threads)
        self.families.descriptors.set(now.descriptors)

    def text(self) -> bytes:
        """In the text format 0.0.4. It reads files: call it in a thread."""
        directory = os.environ.get(DIRECTORY)
        if not directory:
            return generate_latest(self._registry)
        with _reading:
            _forget_the_dead(Path(directory))
            together = CollectorRegistry()
            MultiProcessCollector(together, path=directory)  # type: ignore[no-untyped-call]
            return generate_latest(together)


_reading: Final = threading.Lock()


def _forget_the_dead(directory: Path) -> None:
    """Lets go of what processes had open that are no more."""
    for pid in {int(file.stem.rpartition("_")[2]) for file in directory.glob("gauge_live*_*.db")}:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            mark_process_dead(pid, str(directory))  # type: ignore[no-untyped-call]
        except PermissionError:
            continue
