/** The page's server gives out what its routes name, and nothing else. */
import { mkdtempSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { PageServer } from "../../../src/hosts/browser/server.ts";

const folder = mkdtempSync(join(tmpdir(), "slimbench-test-"));
let server: PageServer;

beforeAll(async () => {
  mkdirSync(join(folder, "open"));
  writeFileSync(join(folder, "secret.txt"), "secret");
  writeFileSync(join(folder, "open", "a.wasm"), "wasm");
  writeFileSync(join(folder, "open", ".hidden"), "hidden");
  server = await PageServer.start({ routes: { "page.html": { content: "<p>" }, files: { folder: join(folder, "open") } } });
});

afterAll(async () => {
  await server.close();
  rmSync(folder, { recursive: true });
});

describe("PageServer with routes", () => {
  it("serves content and files with isolating headers", async () => {
    const page = await fetch(`${server.url}page.html`);
    expect(await page.text()).toBe("<p>");
    expect(page.headers.get("cross-origin-opener-policy")).toBe("same-origin");
    expect(page.headers.get("cross-origin-embedder-policy")).toBe("require-corp");
    const file = await fetch(`${server.url}files/a.wasm?x=1`);
    expect(await file.text()).toBe("wasm");
    expect(file.headers.get("content-type")).toBe("application/wasm");
  });

  it.each([
    "",
    "files",
    "files/",
    "files/.hidden",
    "files/b.wasm",
    "files/..%2fsecret.txt",
    "files/%2e%2e/secret.txt",
    "toString",
    "page.html/x",
  ])("refuses %j", async (path) => {
    expect((await fetch(`${server.url}${path}`)).status).toBe(404);
  });

  it("refuses without its token, and other methods", async () => {
    const { origin } = new URL(server.url);
    expect((await fetch(`${origin}/page.html`)).status).toBe(404);
    expect((await fetch(`${origin}/${"0".repeat(32)}/page.html`)).status).toBe(404);
    expect((await fetch(`${server.url}page.html`, { method: "POST" })).status).toBe(404);
  });

  it("listens on the loopback interface only", () => {
    expect(new URL(server.url).hostname).toBe("127.0.0.1");
  });
});
