"""One server process: `python -m chatserver.supervisor.server`, started by the supervisor.

It gets the listening socket and a channel to its parent as inherited descriptors. It writes `ready` once it accepts,
and drains when its parent is gone.
"""

import argparse
import asyncio
import json
import os
import resource
import signal
import socket

import uvicorn

from chatserver.app import create_app
from chatserver.edge.heap import freeze_heap
from chatserver.edge.logs import configure_logs
from chatserver.settings import SettingsError, load_settings
from chatserver.supervisor.process import READY


class SupervisedServer(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, channel: socket.socket) -> None:
        super().__init__(config)
        self._channel = channel

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._channel.setblocking(False)
            asyncio.get_running_loop().add_reader(self._channel, self._on_channel)
            self._channel.send(READY)

    def stop_accepting(self) -> None:
        """Leaves new connections, which wait in the shared socket's backlog, to the process that replaces us."""
        for server in self.servers:
            server.close()

    def _on_channel(self) -> None:
        """The parent never writes: a readable channel is a closed one."""
        asyncio.get_running_loop().remove_reader(self._channel)
        os.kill(os.getpid(), signal.SIGTERM)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--listener", type=int, required=True, help="descriptor of the listening socket")
    parser.add_argument("--channel", type=int, required=True, help="descriptor of the channel to the supervisor")
    parser.add_argument("--options", default="{}", help="keyword arguments of uvicorn.Config, JSON")
    arguments = parser.parse_args()
    _raise_descriptor_limit()
    listener = socket.socket(fileno=arguments.listener)
    channel = socket.socket(fileno=arguments.channel)
    app = create_app(on_started=freeze_heap, on_drain=lambda: server.stop_accepting())
    server = SupervisedServer(uvicorn.Config(app, **json.loads(arguments.options)), channel)
    configure_logs(questions=_may_tell_questions())
    server.run(sockets=[listener])


def _may_tell_questions() -> bool:
    try:
        return load_settings().logs.questions
    except SettingsError:  # the application's start tells what is wrong
        return False


def _raise_descriptor_limit() -> None:
    """As far as the system allows: each client is a descriptor, and the usual limit of 1,024 is soft."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


if __name__ == "__main__":
    main()
