/** What a user types about browsers. */
import { describe, expect, it } from "vitest";
import { browserChoice } from "../../../src/cli/options.ts";
import { UnavailableError, UsageError } from "../../../src/errors.ts";
import { parseTarget } from "../../../src/harness/target.ts";
import { probeTarget } from "../../../src/harness/probe.ts";
import { parsePageAddress, parseRemote } from "../../../src/hosts/browser/remote.ts";
import { findFirefox, launchFirefox } from "../../../src/hosts/browser/firefox.ts";

describe("--browser-ws", () => {
  it.each([
    ["ws://grid:3000/x?token=a=b", { name: "", endpoint: "ws://grid:3000/x?token=a=b" }],
    ["phone=http://127.0.0.1:9222", { name: "phone", endpoint: "http://127.0.0.1:9222" }],
    ["a.b-c=wss://h/", { name: "a.b-c", endpoint: "wss://h/" }],
  ])("takes %s", (text, remote) => {
    expect(parseRemote(text)).toEqual(remote);
  });

  it.each(["", "grid:3000", "phone=", "phone=ftp://x", "two words=ws://x"])("refuses %j", (text) => {
    expect(() => parseRemote(text)).toThrow(UsageError);
  });

  it("is what @ws and @ws:NAME mean", async () => {
    const remotes = [parseRemote("phone=ws://127.0.0.1:1")];
    expect(await probeTarget(parseTarget("wasm@ws:phone"), { remotes })).toMatchObject({
      available: false,
      reason: { code: "browser-unreachable" },
    });
    const unnamed = await probeTarget(parseTarget("wasm@ws"), { remotes });
    expect(unnamed.reason).toMatchObject({ code: "no-browser", remedy: "Say where it is: --browser-ws URL" });
    expect(unnamed.reason?.message).toMatch(/only ws:phone/);
  });
});

describe("@ws in a target", () => {
  it("stands with and without a name, and with options", () => {
    expect(parseTarget("wasm@ws").host).toEqual({ kind: "ws", name: "" });
    expect(parseTarget("wasm@ws:phone").host).toEqual({ kind: "ws", name: "phone" });
    expect(parseTarget("wasm@ws:threads=2")).toMatchObject({ host: { kind: "ws", name: "" }, options: { threads: "2" } });
    expect(parseTarget("wasm@ws:phone:threads=2")).toMatchObject({ host: { kind: "ws", name: "phone" }, options: { threads: "2" } });
    expect(() => parseTarget("wasm@ws:")).toThrow(/has no name, expected ws or ws:NAME/);
  });
});

describe("an engine for Node only", () => {
  it("is unavailable in a browser, before one is opened", async () => {
    expect(await probeTarget(parseTarget("gpujs-cpu@chrome"))).toMatchObject({ available: false, reason: { code: "node-only" } });
  });
});

describe("--page-address", () => {
  it("is a host and a port", () => {
    expect(parsePageAddress("127.0.0.1:8123")).toEqual({ host: "127.0.0.1", port: 8123 });
    for (const text of ["8123", "host", "host:0", "host:70000", "http://host:1"]) expect(() => parsePageAddress(text)).toThrow(UsageError);
  });

  it("goes with every remote browser", () => {
    const { remotes } = browserChoice({ browserWs: [parseRemote("ws://x")], pageAddress: { host: "box", port: 1 } });
    expect(remotes).toEqual([{ name: "", endpoint: "ws://x", page: { host: "box", port: 1 } }]);
  });
});

describe("--browser", () => {
  it("tells Firefox from Chrome by its name, unless it says so", () => {
    const paths = ["/opt/chrome", "/usr/bin/firefox-esr", "/home/firefox/brave", "firefox=/opt/librewolf"];
    expect(paths.map((path) => browserChoice({ browser: [path] }).browsers)).toEqual([
      { chrome: "/opt/chrome" },
      { firefox: "/usr/bin/firefox-esr" },
      { chrome: "/home/firefox/brave" },
      { firefox: "/opt/librewolf" },
    ]);
  });
});

describe("findFirefox", () => {
  it("takes what the user names, and refuses what is no program", async () => {
    expect(await findFirefox(process.execPath)).toBe(process.execPath);
    await expect(findFirefox("/nowhere/firefox")).rejects.toThrow(UsageError);
  });

  it("says what a program says that is no browser", async () => {
    const failure = launchFirefox("/bin/false");
    await expect(failure).rejects.toThrow(UnavailableError);
    await expect(failure).rejects.toThrow(/host firefox: \/bin\/false does not start/);
  });
});
