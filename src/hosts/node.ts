/**
 * A fresh Node child process per record. Whatever happens to it (crash, kill, out of memory, silence) becomes a typed error of the
 * command under way; the parent goes on. All living children are known, so that an interrupt can end them.
 */
import { fork } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { fileURLToPath } from "node:url";
import { CLOSE, HostError } from "./protocol.ts";
import type { CommandName, Commands, Progress, Reply, Request } from "./protocol.ts";

/** The built child: the same relative path from `src/hosts/` and from `dist/hosts/`. */
const CHILD_PATH = fileURLToPath(new URL("../../dist/hosts/node-child.js", import.meta.url));

/** `--expose-gc`: collections between phases, so that they do not fall into timed runs by chance. */
export const CHILD_FLAGS: readonly string[] = ["--expose-gc"];

const STDERR_TAIL = 4096;
/** Time that a child has for freeing its session. */
const CLOSE_MS = 2000;

export interface NodeHostOptions {
  /** Added to the child's environment: where the GPU driver lies. */
  readonly env?: Readonly<Record<string, string>>;
  /** A child that shows no sign of life for so long is killed. */
  readonly silenceMs: number;
  readonly onProgress?: (progress: Progress) => void;
  /** Another script in place of ours: tests use it to crash on purpose. */
  readonly childPath?: string;
  /** Receives what the child writes to its standard error. */
  readonly onStderr?: (text: string) => void;
}

interface Pending {
  readonly resolve: (result: never) => void;
  readonly reject: (error: Error) => void;
  readonly kind: CommandName;
}

const living = new Set<NodeHost>();

/** Ends every child at once; their commands under way reject. */
export function killAllHosts(): void {
  for (const host of living) host.kill();
}

export class NodeHost {
  readonly #child: ChildProcess;
  readonly #options: NodeHostOptions;
  readonly #pending = new Map<number, Pending>();
  #nextId = 1;
  #stderr = "";
  #watchdog: NodeJS.Timeout | undefined;
  /** Why the child is gone, once it is. */
  #gone: HostError | undefined;
  #killedFor: "silence" | "asked" | undefined;

  constructor(options: NodeHostOptions) {
    this.#options = options;
    this.#child = fork(options.childPath ?? CHILD_PATH, [], {
      execArgv: [...CHILD_FLAGS],
      serialization: "advanced",
      stdio: ["ignore", "ignore", "pipe", "ipc"],
      env: { ...process.env, ...options.env },
    });
    living.add(this);
    this.#child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-STDERR_TAIL);
      options.onStderr?.(text);
    });
    this.#child.on("message", (message) => this.#receive(message as Reply));
    this.#child.on("error", (error) =>
      this.#end(new HostError(failure("child-crashed", `child process: cannot be started, ${error.message}`))),
    );
    // `close` comes after the last of standard error, which says why V8 gave up.
    this.#child.on("close", (code, signal) => this.#end(this.#describeExit(code, signal)));
  }

  /** @throws HostError */
  request<K extends CommandName>(kind: K, args: Commands[K]["args"]): Promise<Commands[K]["result"]> {
    if (this.#gone !== undefined) return Promise.reject(this.#gone);
    const id = this.#nextId++;
    const request: Request = { id, kind, args };
    return new Promise<Commands[K]["result"]>((resolve, reject) => {
      this.#pending.set(id, { resolve, reject, kind });
      this.#watch();
      this.#child.send(request, (error) => {
        // A closed channel also ends in `close`, which knows more; this only covers a message that cannot be serialized.
        if (error !== null && this.#child.connected) this.#settle(id)?.reject(error);
      });
    });
  }

  /** Lets the child free its session and exit; kills it if it does not. */
  async close(): Promise<void> {
    clearTimeout(this.#watchdog);
    if (this.#gone !== undefined) return;
    const gone = new Promise<void>((resolve) => this.#child.once("close", () => resolve()));
    // Not `disconnect`: Node emits no `close` event after a disconnect from this side.
    this.#child.send(CLOSE, () => undefined);
    const timer = setTimeout(() => this.kill(), CLOSE_MS);
    await gone;
    clearTimeout(timer);
  }

  kill(): void {
    this.#killedFor ??= "asked";
    this.#child.kill("SIGKILL");
  }

  #receive(reply: Reply): void {
    this.#watch();
    if (reply.type === "progress") {
      this.#options.onProgress?.(reply.progress);
      return;
    }
    const pending = this.#settle(reply.id);
    if (reply.type === "error") pending?.reject(new HostError(reply.error));
    else pending?.resolve(reply.result as never);
  }

  #settle(id: number): Pending | undefined {
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    if (this.#pending.size === 0) clearTimeout(this.#watchdog);
    return pending;
  }

  /** Restarts the countdown to the kill. */
  #watch(): void {
    clearTimeout(this.#watchdog);
    this.#watchdog = setTimeout(() => {
      this.#killedFor = "silence";
      this.#child.kill("SIGKILL");
    }, this.#options.silenceMs);
  }

  #end(error: HostError): void {
    if (this.#gone !== undefined) return;
    this.#gone = error;
    clearTimeout(this.#watchdog);
    living.delete(this);
    for (const { reject } of this.#pending.values()) reject(error);
    this.#pending.clear();
  }

  #describeExit(code: number | null, signal: NodeJS.Signals | null): HostError {
    const during = [...this.#pending.values()][0]?.kind ?? "idle";
    const said = lastLine(this.#stderr);
    if (this.#killedFor === "silence") {
      const seconds = this.#options.silenceMs / 1000;
      return new HostError(
        failure(
          "timeout",
          `child process: no sign of life for ${seconds} s during ${during}, so it was ended`,
          "Raise --timeout or use a smaller model",
        ),
      );
    }
    if (this.#killedFor === "asked") return new HostError(failure("interrupted", `child process: ended during ${during}`));
    const how = signal === null ? `exit code ${String(code)}` : `signal ${signal}`;
    if (/heap out of memory|OOM error|Array buffer allocation failed|Out of memory/i.test(this.#stderr)) {
      return new HostError(
        failure(
          "out-of-memory",
          `child process: ran out of memory during ${during} (${how})`,
          "Use a smaller model or close other programs",
        ),
      );
    }
    // Nobody else sends SIGKILL: on Linux it is how the system takes memory back.
    if (signal === "SIGKILL") {
      return new HostError(
        failure(
          "out-of-memory",
          `child process: killed during ${during} (SIGKILL), as the system does when memory runs out`,
          "Use a smaller model or close other programs",
        ),
      );
    }
    return new HostError(
      failure(
        "child-crashed",
        `child process: crashed during ${during} (${how})${said === "" ? "" : `: ${said}`}`,
        "Run again with --verbose to see its output",
      ),
    );
  }
}

function failure(code: string, message: string, remedy = ""): ConstructorParameters<typeof HostError>[0] {
  return { code, message, remedy, exitCode: 4, unavailable: false };
}

/** The most telling line of what a dying process wrote: the last that is not a stack frame or a native trace. */
function lastLine(text: string): string {
  const lines = text.split("\n").map((line) => line.trim());
  const error = lines.find((line) => /^(\w*Error\b|FATAL|#\s*Fatal)/.test(line));
  const line = error ?? lines.filter((l) => l !== "" && !/^at |^Node\.js v|^\d+: 0x/.test(l)).at(-1) ?? "";
  return line.slice(0, 200);
}
