/** The page's server gives out the page, kernels, shaders and allowed files to who knows the secret, and nothing else to anybody. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeEach, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { PAGE_ROUTES } from "../../../src/hosts/browser/routes.ts";
import { PageServer } from "../../../src/hosts/browser/server.ts";
import { encodeMessage } from "../../../src/hosts/wire.ts";

const folder = mkdtempSync(join(tmpdir(), "slimbench-server-"));
afterAll(() => rmSync(folder, { recursive: true }));

let server: PageServer;
let messages: unknown[];
let closed: string[];
beforeEach(async () => {
  messages = [];
  closed = [];
  server = await PageServer.start({
    routes: PAGE_ROUTES,
    socket: { onMessage: (message) => messages.push(message), onClose: (reason) => closed.push(reason) },
  });
});
afterEach(() => server.close());

/** Paths as they are: `fetch` would tidy `..` away. */
function get(
  path: string,
  headers: Record<string, string> = {},
  method = "GET",
): Promise<{ status: number; headers: NodeJS.Dict<string | string[]>; body: string }> {
  const { port, hostname } = new URL(server.url);
  return new Promise((resolve, reject) => {
    request({ hostname, port, path, method, headers }, (response) => {
      let body = "";
      response.setEncoding("utf8").on("data", (text: string) => (body += text));
      response.on("end", () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body }));
    })
      .on("error", reject)
      .end();
  });
}

function secret(): string {
  return new URL(server.url).pathname;
}

async function connect(path = `${secret()}socket`): Promise<WebSocket | undefined> {
  const url = new URL(path, server.url);
  url.protocol = "ws:";
  const socket = new WebSocket(url);
  return new Promise((resolve) => {
    socket.once("open", () => resolve(socket));
    socket.once("error", () => resolve(undefined));
  });
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}

describe("PageServer", () => {
  it("listens on the loopback interface only, under a path nobody can guess", () => {
    expect(server.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/[0-9a-f]{32}\/$/);
  });

  it("serves the page cross-origin isolated", async () => {
    const { status, headers, body } = await get(secret());
    expect(status).toBe(200);
    expect(headers).toMatchObject({
      "cross-origin-opener-policy": "same-origin",
      "cross-origin-embedder-policy": "require-corp",
      "content-type": "text/html; charset=utf-8",
    });
    expect(body).toContain("page.js");
    expect((await get(`${secret()}worker.js`)).status).toBe(200);
  });

  it("serves kernels and shaders", async () => {
    expect((await get(`${secret()}asset/build/wasm/kernels.wasm`)).headers["content-type"]).toBe("application/wasm");
    expect((await get(`${secret()}asset/shaders/f32_unary.wgsl`)).status).toBe(200);
  });

  it.each([
    "/",
    "/index.html",
    `/${"0".repeat(32)}/`,
    "SECRET/asset/package.json",
    "SECRET/asset/shaders/../package.json",
    "SECRET/asset/shaders/%2e%2e/package.json",
    "SECRET/asset/build/wasm/../../package.json",
    "SECRET/../package.json",
    "SECRET/file?name=/etc/passwd",
    "SECRET/file",
    "SECRET/constructor",
    "SECRET/asset/shaders",
  ])("does not serve %s", async (path) => {
    expect((await get(path.replace("SECRET/", secret()))).status).toBe(404);
  });

  it("serves a file only under the name that it was allowed by", async () => {
    const path = join(folder, "model.graph");
    writeFileSync(path, "weights");
    expect((await get(`${secret()}file?name=m`)).status).toBe(404);
    server.allow("m", path);
    expect(await get(`${secret()}file?name=m`)).toMatchObject({ status: 200, body: "weights" });
    expect((await get(`${secret()}file?name=${encodeURIComponent(path)}`)).status).toBe(404);
  });

  it("refuses a name that somebody points at this address, and any method but GET", async () => {
    expect((await get(secret(), { Host: "evil.example" })).status).toBe(404);
    expect((await get(secret(), {}, "POST")).status).toBe(404);
  });

  it("takes one socket, with the secret", async () => {
    expect(await connect("/socket")).toBeUndefined();
    expect(server.send(encodeMessage(1))).toBe(false);
    const socket = await connect();
    expect(socket).toBeDefined();
    expect(await connect()).toBeUndefined();
    socket?.send(encodeMessage({ type: "hello" }));
    await until(() => messages.length > 0);
    expect(messages).toEqual([{ type: "hello" }]);
    socket?.close();
    await until(() => closed.length > 0);
    expect(closed).toEqual(["the page closed its connection"]);
  });

  it("reports a message that makes no sense", async () => {
    const socket = await connect();
    socket?.send(Buffer.from("garbage garbage"));
    await until(() => closed.length > 0);
    expect(closed[0]).toMatch(/is damaged/);
    expect(messages).toEqual([]);
  });
});
