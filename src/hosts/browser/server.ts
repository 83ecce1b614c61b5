/**
 * The loopback server behind a page: random port, a secret in every path, headers that make the page cross-origin isolated, and
 * nothing served but the built page, the package's kernels and shaders, and the files of the record under way.
 */
import { randomBytes } from "node:crypto";
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { createServer } from "node:http";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { extname } from "node:path";
import { fileURLToPath } from "node:url";
import { WebSocketServer } from "ws";
import type { WebSocket } from "ws";
import { FormatError } from "../../errors.ts";
import { decodeMessage } from "../wire.ts";

const PACKAGE_ROOT = new URL("../../../", import.meta.url);

const PAGE_FILES: Readonly<Record<string, string>> = {
  "": "index.html",
  "page.js": "page.js",
  "worker.js": "worker.js",
  "thread.js": "thread.js",
};

/** What engines may read: built kernels and shader sources, by plain names. */
const ASSET = /^(build\/wasm|shaders)(\/[A-Za-z0-9_-][A-Za-z0-9_.-]*)+$/;

const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".wasm": "application/wasm",
  ".wgsl": "text/plain; charset=utf-8",
};

/** A message from a page is a reply of a few arrays; inputs go the other way. */
const MAX_MESSAGE_BYTES = 2 ** 30;

export interface PageServerEvents {
  readonly onMessage: (message: unknown) => void;
  /** The page's socket is gone, or what came over it makes no sense. */
  readonly onClose: (reason: string) => void;
}

export class PageServer {
  readonly #http: Server;
  readonly #sockets: WebSocketServer;
  readonly #prefix = `/${randomBytes(16).toString("hex")}/`;
  readonly #files = new Map<string, string>();
  readonly #events: PageServerEvents;
  #socket: WebSocket | undefined;

  private constructor(events: PageServerEvents) {
    this.#events = events;
    this.#http = createServer((request, response) => void this.#answer(request, response));
    this.#sockets = new WebSocketServer({ noServer: true, maxPayload: MAX_MESSAGE_BYTES, perMessageDeflate: false });
    this.#http.on("upgrade", (request, socket, head) => {
      // One page a server: a second socket would be somebody else's.
      if (!this.#isOurs(request) || request.url !== `${this.#prefix}socket` || this.#socket !== undefined) {
        socket.destroy();
        return;
      }
      this.#sockets.handleUpgrade(request, socket, head, (client) => this.#attach(client));
    });
  }

  static async start(events: PageServerEvents): Promise<PageServer> {
    const server = new PageServer(events);
    await new Promise<void>((resolve, reject) => {
      server.#http.once("error", reject);
      server.#http.listen(0, "127.0.0.1", () => resolve());
    });
    return server;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}${this.#prefix}`;
  }

  /** Lets the page read one file, under a name that it asks for. */
  allow(name: string, path: string): void {
    this.#files.set(name, path);
  }

  /** @returns false when no page is connected */
  send(message: Uint8Array): boolean {
    if (this.#socket === undefined) return false;
    this.#socket.send(message);
    return true;
  }

  async close(): Promise<void> {
    this.#socket?.terminate();
    this.#sockets.close();
    this.#http.closeAllConnections();
    await new Promise<void>((resolve) => this.#http.close(() => resolve()));
  }

  get #port(): number {
    const address = this.#http.address();
    return typeof address === "object" && address !== null ? address.port : 0;
  }

  #attach(socket: WebSocket): void {
    this.#socket = socket;
    socket.binaryType = "nodebuffer";
    socket.on("message", (data: Buffer) => {
      let message: unknown;
      try {
        message = decodeMessage(data);
      } catch (error) {
        if (!(error instanceof FormatError)) throw error;
        this.#events.onClose(error.message);
        return;
      }
      this.#events.onMessage(message);
    });
    socket.on("close", () => this.#events.onClose("the page closed its connection"));
    socket.on("error", (error) => this.#events.onClose(error.message));
  }

  /** The Host header as well: a name that somebody else points at this address must not get in. */
  #isOurs(request: IncomingMessage): boolean {
    return request.headers.host === `127.0.0.1:${this.#port}` && (request.url ?? "").startsWith(this.#prefix);
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = this.#isOurs(request) && request.method === "GET" ? this.#pathOf(request.url ?? "") : undefined;
    const size = path === undefined ? undefined : await sizeOf(path);
    if (path === undefined || size === undefined) {
      response.writeHead(404).end();
      return;
    }
    response.writeHead(200, {
      "Content-Type": TYPES[extname(path)] ?? "application/octet-stream",
      "Content-Length": size,
      "Cross-Origin-Opener-Policy": "same-origin",
      "Cross-Origin-Embedder-Policy": "require-corp",
      "Cross-Origin-Resource-Policy": "same-origin",
      "Cache-Control": "no-store",
      "X-Content-Type-Options": "nosniff",
    });
    createReadStream(path)
      .on("error", () => response.destroy())
      .pipe(response);
  }

  #pathOf(url: string): string | undefined {
    const { pathname, searchParams } = new URL(url, "http://127.0.0.1");
    // Again: `..` has been resolved by now.
    if (!pathname.startsWith(this.#prefix)) return undefined;
    const rest = pathname.slice(this.#prefix.length);
    if (rest === "file") return this.#files.get(searchParams.get("name") ?? "");
    if (Object.hasOwn(PAGE_FILES, rest)) return fileURLToPath(new URL(`build/page/${PAGE_FILES[rest] ?? ""}`, PACKAGE_ROOT));
    if (rest.startsWith("asset/") && ASSET.test(rest.slice(6))) return fileURLToPath(new URL(rest.slice(6), PACKAGE_ROOT));
    return undefined;
  }
}

async function sizeOf(path: string): Promise<number | undefined> {
  try {
    const found = await stat(path);
    return found.isFile() ? found.size : undefined;
  } catch {
    return undefined;
  }
}
