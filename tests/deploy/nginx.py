"""A real nginx with the configuration that `deploy/` ships, before nodes of this machine."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.ports import free_port

SHIPPED = Path(__file__).parents[2] / "deploy" / "nginx"
START_S = 30.0

_NODES = """    server 127.0.0.1:8000 max_fails=0;
    server 127.0.0.1:8001 max_fails=0;
"""
_MAIN = """
daemon off;
worker_processes 1;
pid {directory}/nginx.pid;
error_log {directory}/error.log warn;
events {{ worker_connections 512; }}
http {{
    access_log {directory}/access.log;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    include {directory}/*-here.conf;
}}
"""


def require_nginx() -> str:
    """Its path. In CI it is a failure when it is not there."""
    found = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if found is None and "CI" in os.environ:
        pytest.fail("nginx is not installed")
    if found is None:
        pytest.skip("nginx is not installed")
    return found


def write_shipped(directory: Path, nodes: Sequence[int], port: int) -> None:
    """The shipped configuration with other ports; fails when it has no place for them."""
    site, upstream = ((SHIPPED / name).read_text("utf-8") for name in ("chatserver.conf", "nodes.conf"))
    assert "listen 80;" in site
    assert _NODES in upstream
    servers = "".join(f"    server 127.0.0.1:{node} max_fails=0;\n" for node in nodes)
    (directory / "site-here.conf").write_text(site.replace("listen 80;", f"listen 127.0.0.1:{port};"))
    (directory / "nodes-here.conf").write_text(upstream.replace(_NODES, servers))


@contextmanager
def nginx(directory: Path, nodes: Sequence[int]) -> Iterator[int]:
    """Runs it before the nodes on these ports of this machine; its own port."""
    port = free_port()
    write_shipped(directory, nodes, port)
    main = directory / "nginx.conf"
    main.write_text(_MAIN.format(directory=directory))
    process = subprocess.Popen([require_nginx(), "-p", directory, "-c", main])
    try:
        _wait(process, port)
        yield port
    finally:
        process.terminate()
        process.wait(START_S)


def _wait(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + START_S
    while process.poll() is None and time.monotonic() < deadline:
        try:
            httpx.get(f"http://127.0.0.1:{port}/healthz", trust_env=False)
        except httpx.HTTPError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError("nginx does not answer")
