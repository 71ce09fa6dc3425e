"""All metrics of a process, and the text that Prometheus reads.

Theory of operation
    A process counts for itself. Where several serve one socket (`chatserver serve`), each writes its numbers into
    files of one directory, `PROMETHEUS_MULTIPROC_DIR`, which the supervisor makes; whoever is asked reads all of
    them, so that it is no matter which process answers. What a process has counted stays when it ends; what it had
    open (`live…` gauges) goes with it, here, since one that was killed can't do it itself.
"""

import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from prometheus_client import CollectorRegistry, generate_latest, start_http_server
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector

from chatserver.metrics.families import Families
from chatserver.metrics.process import measured
from chatserver.metrics.watches import Answers, Delivery, Jobs, Upstreams

DIRECTORY: Final = "PROMETHEUS_MULTIPROC_DIR"


class NotServed(Exception):
    """An address that can't be had."""

    code = "cannot_listen"


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
            together.register(_Together(None, path=directory))  # type: ignore[no-untyped-call]
            return generate_latest(together)

    @contextmanager
    def served(self, host: str, port: int) -> Iterator[int]:
        """On an address of its own, for a process that has no doors; gives the port, which is free for 0. Whoever
        reaches the address reads it. Raises `NotServed`."""
        try:
            server, thread = start_http_server(port, host, self._registry)
        except (OSError, OverflowError) as error:
            raise NotServed(f"metrics can't be told at {host}:{port}: {error}") from None
        try:
            yield server.server_port
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


_reading: Final = threading.Lock()


class _Together(MultiProcessCollector):
    """Of all processes. One that starts makes its files first and gives them their size after: the library can't read
    a file in between, which holds nothing yet."""

    def collect(self) -> Iterable[Metric]:
        sized = [str(file) for file in Path(self._path).glob("*.db") if _size(file)]
        return self.merge(sized)  # type: ignore[no-untyped-call, no-any-return]


def _size(file: Path) -> int:
    """In bytes; 0 also when the file has gone with its process."""
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return 0


def _forget_the_dead(directory: Path) -> None:
    """Lets go of what processes had open that are no more. Another process that is asked does the same at the same
    time, so that a file may be gone."""
    for file in directory.glob("gauge_live*_*.db"):
        if not _is_alive(int(file.stem.rpartition("_")[2])):
            file.unlink(missing_ok=True)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
