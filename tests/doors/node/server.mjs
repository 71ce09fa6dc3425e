/** `chatserver serve` as a process of the test's own, which may be killed and started again on its port and data. */

import { spawn } from "node:child_process";
import { once } from "node:events";

const READY = /ready: (http:\/\/127\.0\.0\.1:(\d+))/;

export class Server {
  port = 0;

  /** `data` is a directory; CHATSERVER is the command, both from the environment of the test run. */
  constructor(data) {
    this.data = data;
  }

  async start() {
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
      this.port = Number(ready[2]);
      return this;
    }
    throw new Error("the server did not start");
  }

  /** Resolves once the process has ended. */
  async end(signal = "SIGTERM") {
    const ended = once(this.process, "exit");
    this.process.kill(signal);
    await ended;
  }
}
