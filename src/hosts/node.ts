/**
 * A fresh Node child process per record. Whatever happens to it (crash, kill, out of memory, silence) becomes a typed error of the
 * command under way; the parent goes on.
 */
import { fork } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { fileURLToPath } from "node:url";
import { Conversation, hostFailure, memoryFailure, silenceFailure } from "./conversation.ts";
import { registerHost } from "./host.ts";
import type { Host, HostOptions } from "./host.ts";
import { CLOSE } from "./protocol.ts";
import type { CommandName, Commands, HostError, Reply } from "./protocol.ts";

/** The built child: the same relative path from `src/hosts/` and from `dist/hosts/`. */
const CHILD_PATH = fileURLToPath(new URL("../../dist/hosts/node-child.js", import.meta.url));

/** `--expose-gc`: collections between phases, so that they do not fall into timed runs by chance. */
export const CHILD_FLAGS: readonly string[] = ["--expose-gc"];

const WHO = "child process";
const STDERR_TAIL = 4096;
/** Time that a child has for freeing its session. */
const CLOSE_MS = 2000;

export interface NodeHostOptions extends HostOptions {
  /** Added to the child's environment: where the GPU driver lies. */
  readonly env?: Readonly<Record<string, string>>;
  /** Another script in place of ours: tests use it to crash on purpose. */
  readonly childPath?: string;
}

export class NodeHost implements Host {
  readonly #child: ChildProcess;
  readonly #options: NodeHostOptions;
  readonly #conversation: Conversation;
  readonly #unregister: () => void;
  #stderr = "";
  #killedFor: "silence" | "asked" | undefined;

  constructor(options: NodeHostOptions) {
    this.#options = options;
    this.#child = fork(options.childPath ?? CHILD_PATH, [], {
      execArgv: [...CHILD_FLAGS],
      serialization: "advanced",
      stdio: ["ignore", "ignore", "pipe", "ipc"],
      env: { ...process.env, ...options.env },
    });
    this.#unregister = registerHost(this);
    this.#conversation = new Conversation(
      options,
      (request, failed) =>
        this.#child.send(request, (error) => {
          // A closed channel also ends in `close`, which knows more; this only covers a message that cannot be serialized.
          if (error !== null && this.#child.connected) failed(error);
        }),
      () => {
        this.#killedFor = "silence";
        this.#child.kill("SIGKILL");
      },
    );
    this.#child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-STDERR_TAIL);
      options.onStderr?.(text);
    });
    this.#child.on("message", (message) => this.#conversation.receive(message as Reply));
    this.#child.on("error", (error) => this.#end(hostFailure("child-crashed", `${WHO}: cannot be started, ${error.message}`)));
    // `close` comes after the last of standard error, which says why V8 gave up.
    this.#child.on("close", (code, signal) => this.#end(this.#describeExit(code, signal)));
  }

  request<K extends CommandName>(kind: K, args: Commands[K]["args"]): Promise<Commands[K]["result"]> {
    return this.#conversation.request(kind, args);
  }

  /** Lets the child free its session and exit; kills it if it does not. */
  async close(): Promise<void> {
    if (this.#conversation.isOver) return;
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

  #end(error: HostError): void {
    this.#unregister();
    this.#conversation.end(error);
  }

  #describeExit(code: number | null, signal: NodeJS.Signals | null): HostError {
    const { during } = this.#conversation;
    if (this.#killedFor === "silence") return silenceFailure(WHO, this.#options.silenceMs, during);
    if (this.#killedFor === "asked") return hostFailure("interrupted", `${WHO}: ended during ${during}`);
    const how = signal === null ? `exit code ${String(code)}` : `signal ${signal}`;
    if (/heap out of memory|OOM error|Array buffer allocation failed|Out of memory/i.test(this.#stderr)) {
      return memoryFailure(WHO, during, how);
    }
    // Nobody else sends SIGKILL: on Linux it is how the system takes memory back.
    if (signal === "SIGKILL") {
      return hostFailure(
        "out-of-memory",
        `${WHO}: killed during ${during} (SIGKILL), as the system does when memory runs out`,
        "Use a smaller model or close other programs",
      );
    }
    const said = lastLine(this.#stderr);
    return hostFailure(
      "child-crashed",
      `${WHO}: crashed during ${during} (${how})${said === "" ? "" : `: ${said}`}`,
      "Run again with --verbose to see its output",
    );
  }
}

/** The most telling line of what a dying process wrote: the last that is not a stack frame or a native trace. */
function lastLine(text: string): string {
  const lines = text.split("\n").map((line) => line.trim());
  const error = lines.find((line) => /^(\w*Error\b|FATAL|#\s*Fatal)/.test(line));
  const line = error ?? lines.filter((l) => l !== "" && !/^at |^Node\.js v|^\d+: 0x/.test(l)).at(-1) ?? "";
  return line.slice(0, 200);
}
