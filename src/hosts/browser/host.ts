/**
 * A fresh browser with one page per record. The engine runs in a worker of that page; commands and replies cross a WebSocket, models and
 * data are read over HTTP. A crash of the page or the browser, a lost connection or silence becomes a typed error.
 */
import type { Browser, Page } from "puppeteer-core";
import { dataPathOf, readHeader } from "../../data/files.ts";
import { UnavailableError } from "../../errors.ts";
import { Conversation, hostFailure, memoryFailure, silenceFailure } from "../conversation.ts";
import { registerHost } from "../host.ts";
import type { Host, HostOptions } from "../host.ts";
import type { CommandName, Commands, HostError, Reply } from "../protocol.ts";
import { encodeMessage } from "../wire.ts";
import type { FoundBrowser } from "./find.ts";
import { browserFlags, launchBrowser } from "./launch.ts";
import type { BrowserGpu } from "./launch.ts";
import { PageServer } from "./server.ts";

const WHO = "browser page";
/** Loading the page and starting its worker. */
const HELLO_MS = 30_000;
const CLOSE_MS = 5000;

export interface BrowserHostOptions extends HostOptions {
  readonly browser: FoundBrowser;
  readonly gpu: BrowserGpu;
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
  readonly #flags: readonly string[];
  #server: PageServer | undefined;
  #browser: Browser | undefined;
  #hello: ((hello: Hello) => void) | undefined;
  #closing = false;
  #console = "";

  private constructor(options: BrowserHostOptions) {
    this.#options = options;
    this.#flags = browserFlags(options.browser, options.gpu);
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

  /** Browser and version, e.g. `HeadlessChrome/147.0.7727.0`. */
  async version(): Promise<string> {
    return (await this.#browser?.version()) ?? "";
  }

  get flags(): readonly string[] {
    return this.#flags;
  }

  async request<K extends CommandName>(kind: K, args: Commands[K]["args"]): Promise<Commands[K]["result"]> {
    this.#allowFiles(kind, args);
    return this.#conversation.request(kind, args);
  }

  async close(): Promise<void> {
    this.#closing = true;
    this.#unregister();
    this.#conversation.end(hostFailure("interrupted", `${WHO}: ended during ${this.#conversation.during}`));
    const browser = this.#browser;
    if (browser !== undefined) {
      const timer = setTimeout(() => browser.process()?.kill("SIGKILL"), CLOSE_MS);
      // It may be gone already.
      await browser.close().catch(() => undefined);
      clearTimeout(timer);
    }
    await this.#server?.close();
  }

  kill(): void {
    this.#closing = true;
    this.#browser?.process()?.kill("SIGKILL");
    this.#end(hostFailure("interrupted", `${WHO}: ended during ${this.#conversation.during}`));
  }

  async #start(): Promise<void> {
    this.#server = await PageServer.start({
      onMessage: (message) => this.#receive(message as Reply | Hello),
      onClose: (reason) => this.#end(this.#lost(reason)),
    });
    this.#browser = await launchBrowser(this.#options.browser, this.#flags);
    this.#browser.on("disconnected", () =>
      this.#end(
        hostFailure("browser-crashed", `${WHO}: the browser ended during ${this.#conversation.during}`, "Run again with --verbose"),
      ),
    );
    const [first] = await this.#browser.pages();
    const page = first ?? (await this.#browser.newPage());
    this.#listen(page);
    const hello = await this.#greet(page, this.#server.url);
    if (!hello.crossOriginIsolated) {
      throw new UnavailableError(
        "not-isolated",
        `host chrome: the page is not cross-origin isolated (${hello.userAgent}), so its clock is coarse and memory cannot be shared`,
        "Use Chrome 92 or newer",
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
    await page.goto(url, { timeout: HELLO_MS, waitUntil: "domcontentloaded" }).catch(() => undefined);
    const hello = await answer;
    clearTimeout(timer);
    if (hello !== undefined) return hello;
    if (retry) return this.#greet(page, url, false);
    throw new UnavailableError(
      "page-start",
      `host chrome: its page did not come up within ${HELLO_MS / 1000} s${this.#console === "" ? "" : `, got: ${this.#console}`}`,
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

  #receive(message: Reply | Hello): void {
    if (message.type === "hello") this.#hello?.(message);
    else this.#conversation.receive(message);
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
