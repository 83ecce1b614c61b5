/** The built module, the catalogue and the generated sources agree. */
import { readFileSync, readdirSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { webAssembly } from "../../../src/engines/wasm/api.ts";
import { ACTIVATION, BINARY, REDUCE, UNARY } from "../../../src/engines/wasm/codes.ts";
import { LinearMemory } from "../../../src/engines/wasm/memory.ts";
import { KernelSet, MODULE_PATH, hasSimd, loadModule } from "../../../src/engines/wasm/module.ts";
import { isKernelName } from "../../../src/kernels/names.ts";
import { WASM_KERNELS } from "../../../src/kernels/wasm.ts";
import { generatedFiles } from "../../../tools/wasm-gen/files.ts";
import { context } from "./context.ts";

const ASSEMBLY = new URL("../../../src/engines/wasm/assembly/", import.meta.url);
/** Rows without code, exports without a row. */
const NO_CODE = ["any_reshape_alias__wasm_simd"];
const NO_ROW = ["heap_base"];

async function exportNames(): Promise<string[]> {
  const kernels = new KernelSet(await loadModule(context), new LinearMemory().memory);
  return kernels.names.filter((name) => !NO_ROW.includes(name)).sort();
}

describe("wasm module", () => {
  it("exports exactly the kernels of the catalogue", async () => {
    const rows = WASM_KERNELS.map(({ name }) => name).filter((name) => !NO_CODE.includes(name));
    expect(await exportNames()).toEqual([...rows].sort());
  });

  it("names its kernels by the grammar, once each", () => {
    const names = WASM_KERNELS.map(({ name }) => name);
    expect(names.filter((name) => !isKernelName(name))).toEqual([]);
    expect(new Set(names).size).toBe(names.length);
  });

  it("was generated from the sources in tools/wasm-gen", () => {
    const folder = new URL("gen/", ASSEMBLY);
    expect(readdirSync(folder).sort()).toEqual([...generatedFiles().keys()].sort());
    for (const [name, text] of generatedFiles()) expect(readFileSync(new URL(name, folder), "utf8"), name).toBe(text);
  });

  it("shares operation codes with the host", () => {
    const constants = (file: string): Record<string, number> => {
      const text = readFileSync(new URL(file, ASSEMBLY), "utf8");
      return Object.fromEntries(
        [...text.matchAll(/const ([A-Z_]+): (?:i32|usize) = (\d+);/g)].map(([, name, value]) => [name!, Number(value)]),
      );
    };
    const elementwise = constants("elementwise.ts");
    for (const [name, code] of Object.entries({ ...BINARY, ...UNARY })) {
      if (name in BINARY || name in UNARY) expect(elementwise[name.toUpperCase()], name).toBe(code);
    }
    const pooling = constants("pooling.ts");
    expect(pooling).toMatchObject({ REDUCE_SUM: REDUCE.sum, REDUCE_MAX: REDUCE.max });
    expect(constants("common.ts")).toMatchObject({ ACT_HARDSWISH: ACTIVATION.hardswish });
  });

  it("asks for nothing but memory, and leaves the host all but its first bytes", async () => {
    const module = await loadModule(context);
    expect(new KernelSet(module, new LinearMemory().memory).heapBase).toBeLessThan(65536);
  });

  it("is compiled once a host", async () => {
    let reads = 0;
    const host = {
      ...context,
      readAsset: (path: string): Promise<Uint8Array> => {
        reads++;
        return context.readAsset(path);
      },
    };
    await Promise.all([loadModule(host), loadModule(host)]);
    expect(reads).toBe(1);
  });

  it("says what to run when it is not built, and tries again next time", async () => {
    let built = false;
    const host = {
      ...context,
      readAsset: (path: string): Promise<Uint8Array> => (built ? context.readAsset(path) : Promise.reject(new Error("ENOENT"))),
    };
    await expect(loadModule(host)).rejects.toMatchObject({ code: "wasm-not-built", remedy: "Run npm run build." });
    await expect(loadModule(host)).rejects.toThrow(MODULE_PATH);
    built = true;
    await expect(loadModule(host)).resolves.toBeDefined();
  });

  it("knows SIMD by a module that only validates with it", () => {
    expect(hasSimd()).toBe(true);
    // The same module with an opcode that does not exist.
    const broken = Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0, 1, 4, 1, 96, 0, 0, 3, 2, 1, 0, 10, 9, 1, 7, 0, 65, 0, 253, 255, 26, 11);
    expect(webAssembly?.validate(broken)).toBe(false);
  });
});

describe("linear memory", () => {
  it("keeps equal tables once, and counts weights and tables apart", () => {
    const memory = new LinearMemory();
    const a = memory.placeShared(Int32Array.of(1, 2, 3));
    expect(memory.placeShared(Int32Array.of(1, 2, 3))).toBe(a);
    expect(memory.placeShared(Int32Array.of(1, 2, 4))).not.toBe(a);
    const w = memory.place("weights", Float32Array.of(1, 2));
    expect(memory.place("weights", Float32Array.of(1, 2))).not.toBe(w);
    expect([memory.tableBytes, memory.weightBytes]).toEqual([24, 16]);
    expect([...new Int32Array(memory.memory.buffer, a, 3)]).toEqual([1, 2, 3]);
  });

  it("aligns to 64 bytes and grows", () => {
    const memory = new LinearMemory();
    memory.reserve(1);
    const address = memory.reserve(200_000);
    expect(address).toBe(64);
    // Slack behind the last byte, for whole-vector loads.
    expect(memory.memory.buffer.byteLength).toBeGreaterThanOrEqual(address + 200_000 + 64);
  });
});
