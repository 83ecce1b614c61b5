/**
 * The server behind a page: a secret in every path, headers that make the page cross-origin isolated, and nothing served but what its
 * routes name and the files that it was told to allow. On the loopback interface with a random port unless asked otherwise.
 */
import { randomBytes } from "node:crypto";
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { createServer } from "node:http";
import type { IncomingMessage, RequestListener, Server, ServerResponse } from "node:http";
import { createServer as createSecureServer } from "node:https";
import { isIP } from "node:net";
import { extname, join } from "node:path";
import { WebSocketServer } from "ws";
import type { WebSocket } from "ws";
import { FormatError, SlimbenchError, UnavailableError } from "../../errors.ts";
import { decodeMessage } from "../wire.ts";

/** Path → one file, the files of a folder and of its folders, a text, or what a function makes of the query. */
export type Routes = Readonly<Record<string, Route>>;
export type Route =
  | { readonly file: string }
  | { readonly folder: string }
  | { readonly content: string }
  /** @throws SlimbenchError, whose message the page is told; undefined: not found */
  | { readonly make: (query: URLSearchParams) => Promise<Uint8Array | undefined> };

export interface PageSocket {
  readonly onMessage: (message: unknown) => void;
  /** The page's socket is gone, or what came over it makes no sense. */
  readonly onClose: (reason: string) => void;
}

export interface PageServerOptions {
  readonly routes: Routes;
  /** Present: one page may connect a socket. */
  readonly socket?: PageSocket;
  /** Where the page's browser finds us; default: the loopback interface, a random port. */
  readonly address?: { readonly host: string; readonly port: number };
  /** PEM. Browsers grant pages from elsewhere isolation and WebGPU by https only. */
  readonly tls?: { readonly cert: Buffer; readonly key: Buffer };
}

/** No separator, no leading dot: nothing above the folder, nothing hidden. */
const FILE_NAME = /^[A-Za-z0-9_-][A-Za-z0-9_.-]*$/;

const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".mjs": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".wasm": "application/wasm",
  ".wgsl": "text/plain; charset=utf-8",
};
const BINARY = "application/octet-stream";
const HEADERS = {
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
  "Cross-Origin-Resource-Policy": "same-origin",
  "Cache-Control": "no-store",
  "X-Content-Type-Options": "nosniff",
  "Referrer-Policy": "no-referrer",
};

/** A message from a page is a reply of a few arrays; inputs go the other way. */
const MAX_MESSAGE_BYTES = 2 ** 30;
const LOOPBACK = ["127.0.0.1", "localhost"];
const EVERYWHERE = "0.0.0.0";

type Found =
  { readonly path: string; readonly size: number; readonly type: string } | { readonly body: string | Uint8Array; readonly type: string };

export class PageServer {
  readonly #http: Server;
  readonly #sockets = new WebSocketServer({ noServer: true, maxPayload: MAX_MESSAGE_BYTES, perMessageDeflate: false });
  readonly #prefix = `/${randomBytes(16).toString("hex")}/`;
  readonly #files = new Map<string, string>();
  readonly #options: PageServerOptions;
  readonly #host: string;
  #socket: WebSocket | undefined;

  private constructor(options: PageServerOptions) {
    this.#options = options;
    this.#host = options.address?.host ?? "127.0.0.1";
    const listener: RequestListener = (request, response) => void this.#answer(request, response);
    this.#http = options.tls === undefined ? createServer(listener) : createSecureServer(options.tls, listener);
    this.#http.on("upgrade", (request, socket, head) => {
      const { socket: events } = options;
      // One page a server: a second socket would be somebody else's.
      if (events === undefined || !this.#isOurs(request) || request.url !== `${this.#prefix}socket` || this.#socket !== undefined) {
        socket.destroy();
        return;
      }
      this.#sockets.handleUpgrade(request, socket, head, (client) => this.#attach(client, events));
    });
  }

  /** @throws UnavailableError when the address is taken or not this machine's */
  static async start(options: PageServerOptions): Promise<PageServer> {
    const server = new PageServer(options);
    const { host, port } = options.address ?? { host: "127.0.0.1", port: 0 };
    await new Promise<void>((resolve, reject) => {
      server.#http.once("error", (error) =>
        reject(
          new UnavailableError(
            "page-address",
            `page server: cannot listen on ${host}:${port}, ${error.message}`,
            "Name another port",
            error,
          ),
        ),
      );
      // A name is how others call this machine, not an interface of it.
      server.#http.listen(port, LOOPBACK.includes(host) ? "127.0.0.1" : isIP(host) === 0 ? EVERYWHERE : host, () => resolve());
    });
    return server;
  }

  /** As whoever opens the page has to write it. */
  get url(): string {
    return this.urlAt(this.#host);
  }

  /** @param host another name or address of this machine */
  urlAt(host: string): string {
    return `${this.#options.tls === undefined ? "http" : "https"}://${host}:${this.#port}${this.#prefix}`;
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

  #attach(socket: WebSocket, { onMessage, onClose }: PageSocket): void {
    this.#socket = socket;
    socket.binaryType = "nodebuffer";
    socket.on("message", (data: Buffer) => {
      let message: unknown;
      try {
        message = decodeMessage(data);
      } catch (error) {
        if (!(error instanceof FormatError)) throw error;
        onClose(error.message);
        return;
      }
      onMessage(message);
    });
    socket.on("close", () => onClose("the page closed its connection"));
    socket.on("error", (error) => onClose(error.message));
  }

  /** The Host header as well: a name that somebody else points at this address must not get in. */
  #isOurs(request: IncomingMessage): boolean {
    const [, host = "", port = ""] = /^(.*?)(?::(\d+))?$/.exec(request.headers.host ?? "") ?? [];
    const known = host === this.#host || (LOOPBACK.includes(this.#host) ? LOOPBACK.includes(host) : isIP(host) !== 0);
    return known && Number(port) === this.#port && (request.url ?? "").startsWith(this.#prefix);
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let found: Found | undefined;
    try {
      found = this.#isOurs(request) && request.method === "GET" ? await this.#find(request.url ?? "") : undefined;
    } catch (error) {
      // Nothing of ours is secret to who knows the path; a bug must not end the server.
      const { message, remedy } = error instanceof SlimbenchError ? error : { message: String(error), remedy: "" };
      response.writeHead(422, { ...HEADERS, "Content-Type": "application/json" }).end(JSON.stringify({ message, remedy }));
      return;
    }
    if (found === undefined) {
      response.writeHead(404, HEADERS).end();
      return;
    }
    const size = "path" in found ? found.size : Buffer.byteLength(found.body);
    response.writeHead(200, { ...HEADERS, "Content-Type": found.type, "Content-Length": size });
    if ("body" in found) {
      response.end(found.body);
      return;
    }
    createReadStream(found.path)
      .on("error", () => response.destroy())
      .pipe(response);
  }

  async #find(url: string): Promise<Found | undefined> {
    const { pathname, searchParams } = new URL(url, "http://127.0.0.1");
    // Again: `..` has been resolved by now.
    if (!pathname.startsWith(this.#prefix)) return undefined;
    const rest = pathname.slice(this.#prefix.length);
    if (rest === "file") return fileAt(this.#files.get(searchParams.get("name") ?? ""), BINARY);
    const { routes } = this.#options;
    const exact = Object.hasOwn(routes, rest) ? routes[rest] : undefined;
    if (exact === undefined) return inFolder(routes, rest);
    if ("file" in exact) return fileAt(exact.file);
    if ("folder" in exact) return undefined;
    const type = TYPES[extname(rest)] ?? BINARY;
    if ("content" in exact) return { body: exact.content, type };
    const body = await exact.make(searchParams);
    return body === undefined ? undefined : { body, type };
  }
}

function inFolder(routes: Routes, path: string): Promise<Found | undefined> {
  for (const [name, route] of Object.entries(routes)) {
    if (!("folder" in route) || !path.startsWith(`${name}/`)) continue;
    const parts = path.slice(name.length + 1).split("/");
    if (parts.every((part) => FILE_NAME.test(part))) return fileAt(join(route.folder, ...parts));
  }
  return Promise.resolve(undefined);
}

async function fileAt(path: string | undefined, type?: string): Promise<Found | undefined> {
  if (path === undefined) return undefined;
  try {
    const found = await stat(path);
    return found.isFile() ? { path, size: found.size, type: type ?? TYPES[extname(path)] ?? BINARY } : undefined;
  } catch {
    return undefined;
  }
}
