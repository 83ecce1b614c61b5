/** The built module, the catalogue and the generated sources agree. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { ACTIVATION, BINARY, REDUCE, UNARY } from "../../../src/engines/wasm/codes.ts";
import { LinearMemory } from "../../../src/engines/wasm/memory.ts";
import { KernelSet, MODULE_PATH, RELAXED_MODULE_PATH, SCALAR_MODULE_PATH, loadModules } from "../../../src/engines/wasm/module.ts";
import { isKernelName } from "../../../src/kernels/names.ts";
import { WASM_KERNELS } from "../../../src/kernels/wasm.ts";
import { context } from "./context.ts";

const ASSEMBLY = new URL("../../../src/engines/wasm/assembly/", import.meta.url);
const MODULES = [MODULE_PATH, RELAXED_MODULE_PATH, SCALAR_MODULE_PATH];
const [EXPORT_SECTION, DATA_SECTION] = [7, 11];
/** Rows without code. */
const NO_CODE = ["any_reshape_alias__wasm_simd", "any_reshape_alias__wasm_scalar"];

/** Sections of a module: id → content. */
function sectionsOf(bytes: Uint8Array): Map<number, Uint8Array> {
  const sections = new Map<number, Uint8Array>();
  for (let at = 8; at < bytes.length;) {
    const id = bytes[at]!;
    const [size, start] = readLeb(bytes, at + 1);
    sections.set(id, bytes.subarray(start, start + size));
    at = start + size;
  }
  return sections;
}

/** Unsigned LEB128: the value and where it ends. */
function readLeb(bytes: Uint8Array, at: number): [number, number] {
  let value = 0;
  for (let shift = 0; ; shift += 7) {
    const byte = bytes[at++]!;
    value |= (byte & 127) << shift;
    if (byte < 128) return [value, at];
  }
}

/** What a module exports, read from its bytes: not every host can compile every module. */
function exportsOf(bytes: Uint8Array): string[] {
  const section = sectionsOf(bytes).get(EXPORT_SECTION)!;
  let [count, at] = readLeb(section, 0);
  const names: string[] = [];
  for (; count > 0; count--) {
    const [length, start] = readLeb(section, at);
    names.push(new TextDecoder().decode(section.subarray(start, start + length)));
    // The kind is one byte, the index a number.
    at = readLeb(section, start + length + 1)[1];
  }
  return names;
}

describe("wasm module", () => {
  it("exports exactly the kernels of the catalogue", async () => {
    const rows = WASM_KERNELS.map(({ name }) => name).filter((name) => !NO_CODE.includes(name));
    const exported = await Promise.all(MODULES.map(async (path) => exportsOf(await context.readAsset(path))));
    expect(
      exported
        .flat()
        .filter((name) => name !== "heap_base")
        .sort(),
    ).toEqual([...rows].sort());
    const kernels = new KernelSet(await loadModules(context), new LinearMemory().memory);
    expect(exportsOf(await context.readAsset(MODULE_PATH)).filter((name) => name !== "heap_base")).toEqual(kernels.names);
  });

  it("says of every kernel what it requires", () => {
    const required = (suffix: string): string[] => [
      ...new Set(WASM_KERNELS.filter(({ name }) => name.endsWith(suffix)).map(({ requires }) => requires.join(" "))),
    ];
    expect(required("__wasm_simd")).toEqual(["simd"]);
    expect(required("__wasm_relaxed").sort()).toEqual(["simd relaxed-dot", "simd relaxed-madd"]);
    expect(required("__wasm_scalar")).toEqual([""]);
  });

  it("names its kernels by the grammar, once each", () => {
    const names = WASM_KERNELS.map(({ name }) => name);
    expect(names.filter((name) => !isKernelName(name))).toEqual([]);
    expect(new Set(names).size).toBe(names.length);
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
    expect(new KernelSet(await loadModules(context), new LinearMemory().memory).heapBase).toBeLessThan(65536);
  });

  it("holds no static data, so that modules can share a memory", async () => {
    for (const path of MODULES) expect([...sectionsOf(await context.readAsset(path)).keys()], path).not.toContain(DATA_SECTION);
    // The reader of sections, on a module with one byte of data: (module (memory 1) (data (i32.const 0) "a")).
    const withData = Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0, 5, 3, 1, 0, 1, 11, 7, 1, 0, 65, 0, 11, 1, 97);
    expect([...sectionsOf(withData).keys()]).toContain(DATA_SECTION);
  });

  it("refuses two modules with the same kernel", async () => {
    const modules = await loadModules(context, [MODULE_PATH, MODULE_PATH]);
    expect(() => new KernelSet(modules, new LinearMemory().memory)).toThrow(/kernel ".*" is in two modules/);
  });

  it("takes shared memory when it is loaded for that, and only then", async () => {
    const [own, shared] = [await loadModules(context), await loadModules(context, [MODULE_PATH], "shared")];
    const [ownMemory, sharedMemory] = [new LinearMemory().memory, new LinearMemory("shared").memory];
    expect(sharedMemory.buffer).toBeInstanceOf(SharedArrayBuffer);
    expect(new KernelSet(shared, sharedMemory).names).toEqual(new KernelSet(own, ownMemory).names);
    expect(() => new KernelSet(own, sharedMemory)).toThrow(/memory/);
    expect(() => new KernelSet(shared, ownMemory)).toThrow(/memory/);
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
    await Promise.all([loadModules(host), loadModules(host)]);
    expect(reads).toBe(1);
  });

  it("says what to run when it is not built, and tries again next time", async () => {
    let built = false;
    const host = {
      ...context,
      readAsset: (path: string): Promise<Uint8Array> => (built ? context.readAsset(path) : Promise.reject(new Error("ENOENT"))),
    };
    await expect(loadModules(host)).rejects.toMatchObject({ code: "wasm-not-built", remedy: "Run npm run build." });
    await expect(loadModules(host)).rejects.toThrow(MODULE_PATH);
    built = true;
    await expect(loadModules(host)).resolves.toBeDefined();
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
