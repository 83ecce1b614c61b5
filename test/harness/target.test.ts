import { describe, expect, it } from "vitest";
import { UsageError } from "../../src/errors.ts";
import { parseTarget } from "../../src/harness/target.ts";

describe("parseTarget", () => {
  it.each([
    ["cpu", "cpu", { kind: "node" }, {}],
    ["wasm:threads=2", "wasm", { kind: "node" }, { threads: "2" }],
    ["wasm:threads=2,simd=off", "wasm", { kind: "node" }, { threads: "2", simd: "off" }],
    ["webgpu@chrome", "webgpu", { kind: "chrome" }, {}],
    ["webgpu@firefox:adapter=low-power", "webgpu", { kind: "firefox" }, { adapter: "low-power" }],
    ["webgpu@ws:phone", "webgpu", { kind: "ws", name: "phone" }, {}],
    ["webgpu@ws:phone:power=low", "webgpu", { kind: "ws", name: "phone" }, { power: "low" }],
    ["wasm@node", "wasm", { kind: "node" }, {}],
    ["ort-wasm@chrome", "ort-wasm", { kind: "chrome" }, {}],
  ])("%s", (text, engine, host, options) => {
    expect(parseTarget(text)).toEqual({ text, engine, host, options });
  });

  it.each([
    ["", /is empty or malformed/],
    ["wsam", /unknown engine "wsam", expected one of cpu, wasm, webgpu, webgl, gpujs-cpu. Did you mean wasm\?/],
    ["@chrome", /unknown engine ""/],
    ["webgpu@crome", /unknown host "crome".*Did you mean chrome\?/],
    ["webgpu@ws:", /host "ws:" has no name/],
    ["wasm:threads", /option "threads" is malformed, expected key=value/],
    ["wasm:threads=", /option "threads=" is malformed/],
    ["wasm:", /option "" is malformed/],
    ["wasm:a=1,a=2", /option "a" is given twice/],
    ["constructor", /unknown engine/],
  ])("refuses %j", (text, message) => {
    expect(() => parseTarget(text)).toThrow(UsageError);
    expect(() => parseTarget(text)).toThrow(message);
  });
});
