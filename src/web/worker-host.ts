/** A host inside a page that somebody opened by hand: the page drives the same worker that a program would drive over a WebSocket. */
import { Conversation, hostFailure, silenceFailure } from "../hosts/conversation.ts";
import type { Host, HostOptions } from "../hosts/host.ts";
import type { FromPage } from "../hosts/page/channel.ts";
import { listenTo } from "../hosts/page/guard.ts";
import type { CommandName, Commands } from "../hosts/protocol.ts";

const WHO = "worker of the page";

export class WorkerHost implements Host {
  readonly #worker = new Worker("worker.js", { type: "module", name: "slimbench" });
  readonly #conversation: Conversation;

  constructor(options: HostOptions) {
    this.#conversation = new Conversation(
      options,
      (request) => {
        const message: FromPage = { kind: "request", request };
        this.#worker.postMessage(message);
      },
      () => this.#conversation.end(silenceFailure(WHO, options.silenceMs, this.#conversation.during)),
    );
    listenTo(this.#worker, (message) => {
      if (message.kind === "reply") this.#conversation.receive(message.reply);
    });
    this.#worker.onerror = ({ message }) => {
      this.#conversation.end(
        hostFailure("page-crashed", `${WHO}: failed during ${this.#conversation.during}: ${message}`, "Reload the page"),
      );
    };
  }

  request<K extends CommandName>(kind: K, args: Commands[K]["args"]): Promise<Commands[K]["result"]> {
    return this.#conversation.request(kind, args);
  }

  close(): Promise<void> {
    this.kill();
    return Promise.resolve();
  }

  kill(): void {
    this.#conversation.end(hostFailure("interrupted", `${WHO}: ended during ${this.#conversation.during}`));
    this.#worker.terminate();
  }
}
