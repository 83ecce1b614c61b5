/**
 * A browser with one page per record. The engine runs in a worker of that page; commands and replies cross a WebSocket, models and
 * data are read over HTTP. A crash of the page or the browser, a lost connection or silence becomes a typed error.
 */
import type { Page } from "puppeteer-core";
import { dataPathOf, readHeader } from "../../data/files.ts";
import { UnavailableError } from "../../errors.ts";
import { answerStoreQuestion, isStoreQuestion } from "../far-store.ts";
import type { StoreQuestion } from "../far-store.ts";
import { Conversation, hostFailure, memoryFailure, silenceFailure } from "../conversation.ts";
import { registerHost } from "../host.ts";
import type { Host, HostOptions } from "../host.ts";
import { DRIVEN } from "../page/channel.ts";
import type { CommandName, Commands, HostError, MemoryResult, Reply } from "../protocol.ts";
import { browserMachine, nodeTuningStore } from "../tuning-store.ts";
import { encodeMessage } from "../wire.ts";
import { PAGE_ROUTES } from "./routes.ts";
import { PageServer } from "./server.ts";
import { sourceFlags, sourceName, startBrowser } from "./source.ts";
import type { BrowserSource, StartedBrowser } from "./source.ts";

const WHO = "browser page";
/** Loading the page and starting its worker. */
const HELLO_MS = 30_000;
const CLOSE_MS = 5000;

/** Codes of failures that say nothing about the record: another page may do. */
export const CRASHES: readonly string[] = ["page-crashed", "browser-crashed"];

export interface BrowserHostOptions extends HostOptions {
  readonly source: BrowserSource;
}

/** What the page's worker says first. */
export interface Hello {
  readonly type: "hello";
  readonly crossOriginIsolated: boolean;
  readonly userAgent: string;
}

export class BrowserHost implements Host {
  readonly #options: BrowserHostOptions;
  readonly #conversation: Conversation;
  readonly #unregister: () => void;
  readonly #name: string;
  #server: PageServer | undefined;
  #started: StartedBrowser | undefined;
  #hello: ((hello: Hello) => void) | undefined;
  #closing = false;
  #console = "";

  private constructor(options: BrowserHostOptions) {
    this.#options = options;
    this.#name = sourceName(options.source);
    this.#conversation = new Conversation(
      options,
      (request, failed) => {
        if (this.#server?.send(encodeMessage(request)) !== true) failed(this.#lost("no page is connected"));
      },
      () => this.#end(silenceFailure(WHO, options.silenceMs, this.#conversation.during)),
    );
    this.#unregister = registerHost(this);
  }

  /** @throws UnavailableError when the browser does not start or its page does not come up, twice */
  static async open(options: BrowserHostOptions): Promise<BrowserHost> {
    const host = new BrowserHost(options);
    try {
      await host.#start();
      return host;
    } catch (error) {
      await host.close();
      throw error;
    }
  }

  /** Browser and version, e.g. `HeadlessChrome/147.0.7727.0`, `firefox/128.0`. */
  async version(): Promise<string> {
    return (await this.#started?.browser.version()) ?? "";
  }

  /** What our own browser was started with; empty for somebody else's. */
  get flags(): readonly string[] {
    return sourceFlags(this.#options.source);
  }

  async request<K extends CommandName>(kind: K, args: Commands[K]["args"]): Promise<Commands[K]["result"]> {
    this.#allowFiles(kind, args);
    const result = await this.#conversation.request(kind, args);
    return kind === "memory" ? { ...result, ...(await this.#readHeap()) } : result;
  }

  /** The worker's used heap, which it cannot read itself; Chrome tells, Firefox does not. */
  async #readHeap(): Promise<Pick<MemoryResult, "jsHeapBytes">> {
    const worker = this.#started?.page.workers().find((one) => one.url().includes(`worker.js?${DRIVEN}`));
    if (worker === undefined || this.#options.source.kind === "firefox") return {};
    const { usedSize } = await worker.client.send("Runtime.getHeapUsage");
    return { jsHeapBytes: usedSize };
  }

  async close(): Promise<void> {
    this.#closing = true;
    this.#unregister();
    this.#conversation.end(hostFailure("interrupted", `${WHO}: ended during ${this.#conversation.during}`));
    if (this.#started !== undefined) await leave(this.#started);
    await this.#server?.close();
  }

  kill(): void {
    this.#closing = true;
    if (this.#started?.owned === true) this.#started.browser.process()?.kill("SIGKILL");
    // Somebody else's browser lives on; without its server our page can do nothing more.
    this.#end(hostFailure("interrupted", `${WHO}: ended during ${this.#conversation.during}`));
  }

  async #start(): Promise<void> {
    const { source } = this.#options;
    const address = source.kind === "remote" ? source.remote.page : undefined;
    this.#server = await PageServer.start({
      routes: PAGE_ROUTES,
      socket: {
        onMessage: (message) => this.#receive(message as Reply | Hello | StoreQuestion),
        onClose: (reason) => this.#end(this.#lost(reason)),
      },
      ...(address === undefined ? {} : { address }),
    });
    this.#started = await startBrowser(source);
    const { browser, page } = this.#started;
    browser.on("disconnected", () =>
      this.#end(
        hostFailure("browser-crashed", `${WHO}: the browser ended during ${this.#conversation.during}`, "Run again with --verbose"),
      ),
    );
    this.#listen(page);
    const hello = await this.#greet(page, `${this.#server.url}?${DRIVEN}`);
    if (!hello.crossOriginIsolated) {
      throw new UnavailableError(
        "not-isolated",
        `host ${this.#name}: the page is not cross-origin isolated (${hello.userAgent}), so its clock is coarse and memory cannot be shared`,
        source.kind === "remote"
          ? "Forward a port, so that it opens the page at 127.0.0.1 (--page-address), and use a browser as new as Chrome 92"
          : "Use Chrome 92, Firefox 79 or newer",
      );
    }
  }

  /** Loads the page; once more, should it not answer. */
  async #greet(page: Page, url: string, retry = true): Promise<Hello> {
    let timer: NodeJS.Timeout | undefined;
    const answer = new Promise<Hello | undefined>((resolve) => {
      this.#hello = resolve;
      timer = setTimeout(() => resolve(undefined), HELLO_MS);
    });
    const refused = page.goto(url, { timeout: HELLO_MS, waitUntil: "domcontentloaded" }).then(
      () => new Promise<never>(() => undefined),
      (error: unknown) => {
        this.#console ||= error instanceof Error ? (error.message.split("\n")[0] ?? "") : String(error);
        return undefined;
      },
    );
    const hello = await Promise.race([answer, refused]);
    clearTimeout(timer);
    if (hello !== undefined) return hello;
    if (retry) return this.#greet(page, url, false);
    throw this.#noPage(new URL(url).origin);
  }

  #noPage(origin: string): UnavailableError {
    const said = this.#console === "" ? "" : `, got: ${this.#console}`;
    if (this.#options.source.kind === "remote") {
      return new UnavailableError(
        "page-start",
        `host ${this.#name}: the remote browser did not open our page at ${origin}${said}`,
        "That address must lead to this machine from there. Forward a port (adb reverse tcp:8123 tcp:8123, or ssh -R 8123:127.0.0.1:8123 MACHINE) and give --page-address 127.0.0.1:8123",
      );
    }
    return new UnavailableError(
      "page-start",
      `host ${this.#name}: its page did not come up within ${HELLO_MS / 1000} s${said}`,
      "Run npm run build, or name another browser with --browser PATH",
    );
  }

  #listen(page: Page): void {
    const note = (text: string): void => {
      this.#console = text.split("\n")[0]?.slice(0, 200) ?? "";
      this.#options.onStderr?.(`${text}\n`);
    };
    page.on("console", (message) => note(message.text()));
    page.on("pageerror", (error) => note(String(error)));
    page.on("error", (error) => {
      const { during } = this.#conversation;
      const full = /memory|OOM/i.test(`${error.message} ${this.#console}`);
      this.#end(
        full
          ? memoryFailure(WHO, during, error.message)
          : hostFailure("page-crashed", `${WHO}: crashed during ${during}: ${error.message}`, "Run again with --verbose"),
      );
    });
  }

  #receive(message: Reply | Hello | StoreQuestion): void {
    if (isStoreQuestion(message)) void this.#answer(message);
    else if (message.type === "hello") this.#hello?.(message);
    else this.#conversation.receive(message);
  }

  /** Measurements of kernels that the page asks for or wants kept. */
  async #answer(asked: StoreQuestion): Promise<void> {
    const store = nodeTuningStore(undefined, browserMachine(await this.version(), this.flags));
    this.#server?.send(encodeMessage(await answerStoreQuestion(store, asked)));
  }

  #lost(reason: string): HostError {
    return hostFailure(
      "page-crashed",
      `${WHO}: lost during ${this.#conversation.during}: ${reason}${this.#console === "" ? "" : ` (${this.#console})`}`,
      "Run again with --verbose to see its console",
    );
  }

  #end(error: HostError): void {
    if (!this.#closing) this.#conversation.end(error);
    else this.#conversation.end(hostFailure("interrupted", `${WHO}: ended during ${this.#conversation.during}`));
  }

  /** The page may read the files that a command names, and no others. */
  #allowFiles<K extends CommandName>(kind: K, args: Commands[K]["args"]): void {
    if ((kind === "open" || kind === "add" || kind === "tune") && "graphPath" in args) this.#server?.allow(args.graphPath, args.graphPath);
    if (kind === "classify" && "datasetPath" in args) {
      const { datasetPath } = args;
      this.#server?.allow(datasetPath, datasetPath);
      this.#server?.allow(`${datasetPath}#data`, dataPathOf(readHeader(datasetPath), datasetPath));
    }
  }
}

/** Ends our browser, or closes our page in somebody else's. Either may be gone already. */
async function leave({ browser, page, owned }: StartedBrowser): Promise<void> {
  if (owned) {
    const timer = setTimeout(() => browser.process()?.kill("SIGKILL"), CLOSE_MS);
    await browser.close().catch(() => undefined);
    clearTimeout(timer);
    return;
  }
  await within(page.close(), CLOSE_MS);
  await within(browser.disconnect(), CLOSE_MS);
}

async function within(pending: Promise<void>, ms: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  await Promise.race([pending.catch(() => undefined), late]);
  clearTimeout(timer);
}
