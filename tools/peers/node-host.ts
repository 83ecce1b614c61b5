/** Starts the Node host. Its output is thrown away (the runtimes talk a lot); the end of its errors is kept for the case that it dies. */
import { fork, type ChildProcess } from "node:child_process";
import { fileURLToPath } from "node:url";
import { UsageError } from "../../src/errors.ts";
import type { Target } from "../../src/harness/target.ts";
import type { CaseResult } from "./contest.ts";
import type { Host } from "./host.ts";
import type { Answer, Request } from "./node-child.ts";
import type { RoundSettings } from "./rounds.ts";

const STDERR_KEPT = 2000;

export function openNodeHost(folder: string, settings: RoundSettings, { engine, options }: Target): Host {
  if (engine !== "wasm")
    throw new UsageError(`--host node: has no runtime to compare ${engine} with, expected a target of wasm. Use --host chromium`);
  const script = fileURLToPath(new URL("./node-child.ts", import.meta.url));
  const child = fork(script, { execArgv: ["--import", "tsx"], stdio: ["ignore", "ignore", "pipe", "ipc"], serialization: "advanced" });
  let errors = "";
  child.stderr?.on("data", (chunk: Buffer) => (errors = (errors + chunk.toString()).slice(-STDERR_KEPT)));
  return {
    name: "node",
    environment: { node: process.version, v8: process.versions.v8 },
    run: (one) => ask(child, { one, folder, settings, options }, () => errors),
    close: () => end(child),
  };
}

function ask(child: ChildProcess, request: Request, errors: () => string): Promise<CaseResult> {
  return new Promise((resolve, reject) => {
    const finish = (action: () => void): void => {
      child.off("message", onMessage);
      child.off("exit", onExit);
      action();
    };
    const onMessage = (answer: unknown): void => {
      const reply = answer as Answer;
      finish(() => ("error" in reply ? reject(new Error(reply.error)) : resolve(reply.result)));
    };
    const onExit = (code: number | null, signal: string | null): void =>
      finish(() => reject(new Error(`the Node host ended (${signal ?? code ?? "?"}) during "${request.one.title}": ${errors()}`)));
    child.on("message", onMessage);
    child.on("exit", onExit);
    child.send(request);
  });
}

function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => {
    child.once("exit", () => resolve());
    child.disconnect();
  });
}
