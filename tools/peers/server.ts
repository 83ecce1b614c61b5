/**
 * Serves the page: only on the loopback interface, under a random path, and only what the routes name: files from a few folders.
 * The headers isolate the page from other origins, which browsers ask for before they give it SharedArrayBuffer and a fine clock.
 */
import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";

/** First part of the path → a folder whose files are served, those of its folders too, or a file by its content. */
export type Routes = Readonly<Record<string, { readonly folder: string } | { readonly content: string }>>;

export interface PageServer {
  /** Ends with a slash; a route's name follows. */
  readonly url: string;
  close(): Promise<void>;
}

const TYPES: Readonly<Record<string, string>> = {
  html: "text/html; charset=utf-8",
  js: "text/javascript",
  mjs: "text/javascript",
  wasm: "application/wasm",
};
const HEADERS = {
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-embedder-policy": "require-corp",
  "cross-origin-resource-policy": "same-origin",
  "cache-control": "no-store",
};
/** No separators and no leading dot: nothing above the folder, nothing hidden. */
const FILE_NAME = /^[A-Za-z0-9_][A-Za-z0-9._-]*$/;
const TOKEN_BYTES = 16;

export async function servePage(routes: Routes): Promise<PageServer> {
  const token = randomBytes(TOKEN_BYTES).toString("hex");
  const server = createServer((request, response) => {
    void answer(routes, token, request.method ?? "", request.url ?? "", response);
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/${token}/`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function answer(routes: Routes, token: string, method: string, url: string, response: ServerResponse): Promise<void> {
  const [, first, route = "", ...file] = (url.split("?")[0] ?? "").split("/");
  const found = method === "GET" && first === token ? await find(routes, route, file) : undefined;
  if (found === undefined) {
    response.writeHead(404, HEADERS).end();
    return;
  }
  const extension = (file.at(-1) ?? route).split(".").at(-1) ?? "";
  response.writeHead(200, { ...HEADERS, "content-type": TYPES[extension] ?? "application/octet-stream" }).end(found);
}

async function find(routes: Routes, route: string, file: readonly string[]): Promise<string | Uint8Array | undefined> {
  const entry = Object.hasOwn(routes, route) ? routes[route] : undefined;
  if (entry === undefined) return undefined;
  if ("content" in entry) return file.length === 0 ? entry.content : undefined;
  if (file.length === 0 || !file.every((part) => FILE_NAME.test(part))) return undefined;
  return readFile(join(entry.folder, ...file)).catch(() => undefined);
}
