/** `chatserver serve` as a process of the test's own, which may be killed and started again on its port and data. */

import { spawn } from "node:child_process";
import { once } from "node:events";

const READY = /ready: (http:\/\/127\.0\.0\.1:\d+)/;

export class Server {
  port = Number(process.env.FREE_PORT);

  /** `data` is a directory. CHATSERVER is the command, FREE_PORT nobody else's: from the environment of the test run. */
  constructor(data) {
    this.data = data;
  }

  async start(again = 2) {
    const command = ["serve", "--host=127.0.0.1", `--port=${this.port}`, `--data-dir=${this.data}`];
    const settings = { CHATSERVER_MODEL: "scripted", CHATSERVER_LEASE_S: "1", CHATSERVER_DRAIN_S: "0.2" };
    this.process = spawn(process.env.CHATSERVER, command, {
      env: { ...process.env, ...settings },
      stdio: ["ignore", "pipe", "ignore"],
    });
    for await (const piece of this.process.stdout.iterator({ destroyOnReturn: false })) {
      const ready = READY.exec(piece.toString());
      if (ready === null) continue;
      [, this.url] = ready;
      return this;
    }
    if (again) return this.start(again - 1); // processes of the one that was killed may still be there
    throw new Error("the server did not start");
  }

  /** Resolves once the process has ended. */
  async end(signal = "SIGTERM") {
    const ended = once(this.process, "exit");
    this.process.kill(signal);
    await ended;
  }
}
