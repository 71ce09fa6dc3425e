"""A real Prometheus with the shipped configuration, on a real server with logins."""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.access.tokens import KEY, token
from tests.delivery.conformance.server import ROOT, Server
from tests.page.server import CHATSERVER
from tests.ports import free_port

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
SHIPPED = ROOT / "deploy" / "prometheus"
PATIENCE_S = 90.0


class Prometheus:
    """Through its own door for programs."""

    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}/api/v1/"

    def says(self, path: str, **parameters: str) -> Any:
        answer = httpx.get(self._url + path, params=parameters, trust_env=False, timeout=30)
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]

    def until(self, path: str, condition: Any, **parameters: str) -> Any:
        """What it says, once that holds; it begins to listen and to scrape in its own time."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                if condition(said := self.says(path, **parameters)):
                    return said
            except httpx.TransportError:
                pass
            assert time.monotonic() < deadline, path
            time.sleep(0.2)


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    command = shutil.which("prometheus")
    if command is None and not os.environ.get("CI"):
        pytest.skip("no prometheus here: Debian's package `prometheus` has it")
    assert command is not None, "CI has to have prometheus"
    directory = tmp_path_factory.mktemp("prometheus")
    (directory / "data").mkdir()
    server = Server(directory / "data", "serve --workers 2", settings={"CHATSERVER_TOKEN_KEYS": KEY})
    port, worker_at = free_port(), f"127.0.0.1:{free_port()}"
    _configure(directory, server, worker_at)
    worker = subprocess.Popen([CHATSERVER, "worker", "--metrics", worker_at, "--data-dir", server.data])
    try:
        server.start().wait_ready()
        options = [f"--config.file={directory}/prometheus.yml", f"--storage.tsdb.path={directory}/tsdb"]
        listen = f"--web.listen-address=127.0.0.1:{port}"
        with (
            (directory / "log").open("wb") as log,
            subprocess.Popen([command, *options, listen], stderr=log) as running,
        ):
            try:
                yield Prometheus(port)
            finally:
                running.terminate()
    finally:
        server.kill()
        worker.kill()
        worker.wait()


def _configure(directory: Path, server: Server, worker_at: str) -> None:
    """As it is shipped, but for the targets and the patience; the token is an operator's."""
    shipped = (SHIPPED / "prometheus.yml").read_text("utf-8")
    here = shipped.replace("[server-1:8000, server-2:8000]", f'["{server.host}:{server.port}"]').replace("15s", "1s")
    here = here.replace("worker:9101", worker_at)
    (directory / "prometheus.yml").write_text(here)
    (directory / "rules.yml").write_text((SHIPPED / "rules.yml").read_text("utf-8"))
    (directory / "token").write_text(token("prometheus", operator=True, ttl_s=3600))


def test_it_reads_the_servers_numbers(prometheus: Prometheus) -> None:
    """With an operator's token the server is up, and tells of two processes; so is a worker, which needs none."""
    prometheus.until("targets", lambda said: [t["health"] for t in said["activeTargets"]] == ["up", "up"])
    asked = 'chatserver_processes{job="chatserver"}'
    said = prometheus.until("query", lambda said: bool(said["result"]), query=asked)
    assert [row["value"][1] for row in said["result"]] == ["2"]


def test_it_evaluates_every_rule(prometheus: Prometheus) -> None:
    """All rules are healthy, and none of them is told of a server that has nothing to do."""

    def rules(said: Any) -> list[dict[str, str]]:
        return [rule for group in said["groups"] for rule in group["rules"]]

    said = prometheus.until("rules", lambda said: {rule["health"] for rule in rules(said)} == {"ok"})
    assert len(rules(said)) >= 18
    prometheus.until("rules", lambda said: {rule["state"] for rule in rules(said)} == {"inactive"})


def test_it_understands_the_dashboard(prometheus: Prometheus) -> None:
    """Each query of the dashboard is one."""
    dashboard = json.loads((ROOT / "deploy" / "grafana" / "chatserver.json").read_text("utf-8"))
    queries = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", ())]
    assert len(queries) > 40
    for query in queries:
        prometheus.says("query", query=query.replace("$__rate_interval", "10s").replace("$instance", ".*"))
