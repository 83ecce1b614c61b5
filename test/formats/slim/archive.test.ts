/**
 * `.slim` archives: whatever goes in comes out, to the bit, in any pieces; the same graph gives the same bytes; and files that are cut, damaged
 * or made to harm end in a FormatError that names the file, quickly and without taking memory. Seeded: fast-check prints seed and case.
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { deflateSync, inflateSync } from "fflate";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { applyRecipe } from "../../../src/compress/apply.ts";
import { parseRecipe } from "../../../src/compress/recipe.ts";
import { mulberry32 } from "../../../src/data/random.ts";
import { evaluateNode } from "../../../src/engines/cpu/evaluate.ts";
import { FormatError, UsageError } from "../../../src/errors.ts";
import { importModel } from "../../../src/formats/detect.ts";
import { crc32 } from "../../../src/formats/slim/crc32.ts";
import { exportSlim } from "../../../src/formats/slim/export.ts";
import { SlimReader, readSlim } from "../../../src/formats/slim/import.ts";
import { PREFIX_BYTES } from "../../../src/formats/slim/prefix.ts";
import { GraphBuilder } from "../../../src/graph/builder.ts";
import { DTYPES, createArray } from "../../../src/graph/dtype.ts";
import type { Graph } from "../../../src/graph/ir.ts";
import { serializeGraph } from "../../../src/graph/serialize.ts";
import { openModel } from "../../../src/harness/model.ts";
import { contextFor } from "../../compress/nets.ts";
import { codedModel } from "./models.ts";
import { randomGraph } from "../onnx/random-graph.ts";

const SUITE = new URL("../../../suites/models/", import.meta.url).pathname;

/** The archive with another manifest, sections and checksum right. */
function withManifest(archive: Uint8Array, change: (text: string) => string): Uint8Array {
  const end = PREFIX_BYTES + new DataView(archive.buffer, archive.byteOffset).getUint32(12, true);
  const text = new TextDecoder().decode(inflateSync(archive.subarray(PREFIX_BYTES, end)));
  return assemble(archive, deflateSync(new TextEncoder().encode(change(text))), archive.subarray(end));
}

function assemble(archive: Uint8Array, manifest: Uint8Array, sections: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(PREFIX_BYTES + manifest.length + sections.length);
  bytes.set(archive.subarray(0, PREFIX_BYTES));
  const view = new DataView(bytes.buffer);
  view.setUint32(12, manifest.length, true);
  view.setUint32(16, crc32(manifest), true);
  bytes.set(manifest, PREFIX_BYTES);
  bytes.set(sections, PREFIX_BYTES + manifest.length);
  return bytes;
}

/** Reads it in pieces of the given sizes, in turn. */
function readInPieces(bytes: Uint8Array, sizes: readonly number[], totalBytes?: number): Graph {
  const reader = new SlimReader("pieces.slim", totalBytes);
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const size = sizes[i % sizes.length]!;
    reader.push(bytes.subarray(at, at + size));
    at += size;
  }
  return reader.finish().graph;
}

/** Only a FormatError that names the file may leave the reader. */
function survives(bytes: Uint8Array): "graph" | "error" {
  try {
    readSlim(bytes, "fuzz.slim");
    return "graph";
  } catch (error) {
    if (error instanceof FormatError && error.message.startsWith("fuzz.slim: ")) return "error";
    throw error;
  }
}

describe("archives", () => {
  it.each([
    "fp32",
    "prune:0.9",
    "cluster:16",
    "prune:0.9+cluster:32",
    "prune:0.5,block=1x8+int8",
    "fp16",
    "int4",
    "int8:weights",
    "cluster:8+fp16",
  ])("give a net under %s back, and give it the same bytes again", async (recipe) => {
    const original = (await openModel(`${SUITE}dsnet.onnx`)).graph;
    const { graph } = await applyRecipe(original, parseRecipe(recipe), contextFor(original));
    const origin = { tool: { name: "slimbench", version: "1.2.3" }, recipe, seed: 1, source: "dsnet.onnx" };
    const bytes = exportSlim(graph, origin);
    const read = readSlim(bytes, "dsnet.slim");
    expect(read.origin).toEqual(origin);
    expect(read.graph).toEqual(graph);
    expect(Buffer.compare(exportSlim(read.graph, origin), bytes)).toBe(0);
  });

  it("give random graphs back, in any pieces", () => {
    fc.assert(
      fc.property(fc.nat(), fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1, maxLength: 5 }), (seed, pieces) => {
        const graph = randomGraph(seed, 6);
        const bytes = exportSlim(graph);
        expect(readInPieces(bytes, pieces)).toEqual(graph);
        expect(Buffer.compare(exportSlim(readInPieces(bytes, pieces, bytes.length)), bytes)).toBe(0);
      }),
      { numRuns: 40 },
    );
  });

  it("give constants of every type back, with every code, to the bit", () => {
    const graph = codedModel(1);
    const bytes = exportSlim(graph);
    const back = readInPieces(bytes, [1]);
    expect(back).toEqual(graph);
    for (const [name, { data }] of graph.tensors) {
      const other = back.tensors.get(name)!.data;
      const raw = (array: NonNullable<typeof data>): Buffer => Buffer.from(array.buffer, array.byteOffset, array.byteLength);
      if (data !== undefined) expect(Buffer.compare(raw(data), raw(other!))).toBe(0);
    }
    for (const dtype of DTYPES) {
      for (const length of [0, 1, 3, 257]) {
        const builder = new GraphBuilder(dtype);
        const x = builder.input("x", dtype, [length]);
        const c = builder.constant(
          "c",
          dtype,
          [length],
          createArray(dtype, length).map((_, i) => (i * 37) % 101),
        );
        const constants = builder.finish([builder.add("Reshape", "y", [c], {}, { shape: [length] }), x]);
        expect(readSlim(exportSlim(constants), "c.slim").graph).toEqual(constants);
      }
    }
  });

  it("keep numbers that JSON lacks, and the bits of special floats", () => {
    const builder = new GraphBuilder("special");
    const x = builder.input("x", "float32", [4]);
    const bits = Uint32Array.of(0x7f_c0_00_01, 0x80_00_00_00, 0x7f_80_00_00, 1);
    const c = builder.constant("c", "float32", [4], new Float32Array(bits.buffer));
    const sum = builder.add("Binary", "sum", [x, c], { fn: "add", activation: { kind: "clamp", min: -0, max: Infinity } });
    const graph = builder.finish([sum]);
    const back = readSlim(exportSlim(graph), "special.slim").graph;
    expect(back.nodes).toEqual(graph.nodes);
    const data = back.tensors.get("c")!.data!;
    expect([...new Uint32Array(data.buffer, data.byteOffset, 4)]).toEqual([...bits]);
  });

  it("are read by what they are, keep their shapes and say so", () => {
    const graph = codedModel(2);
    const bytes = exportSlim(graph);
    const [input] = graph.inputs as [string];
    const { shape } = graph.tensors.get(input)!;
    expect(importModel(bytes, { name: "a.onnx", evaluate: evaluateNode, shapes: new Map([[input, shape]]) })).toEqual(graph);
    const shapes = new Map([[input, [...shape, 7]]]);
    expect(() => importModel(bytes, { name: "a.slim", evaluate: evaluateNode, shapes })).toThrow(UsageError);
    expect(() => importModel(bytes, { name: "a.slim", evaluate: evaluateNode, shapes: new Map([["nobody", [1]]]) })).toThrow(
      "a.slim: --shape nobody=1, expected the name of an input",
    );
  });

  it("tell what made them as soon as the beginning is there", () => {
    const bytes = exportSlim(codedModel(3), { recipe: "int4" });
    const reader = new SlimReader("a.slim");
    const manifestEnd = PREFIX_BYTES + new DataView(bytes.buffer).getUint32(12, true);
    reader.push(bytes.subarray(0, manifestEnd - 1));
    expect(reader.origin).toBeUndefined();
    reader.push(bytes.subarray(manifestEnd - 1, manifestEnd));
    expect(reader.origin).toEqual({ recipe: "int4" });
    expect(() => reader.finish()).toThrow(/^a.slim: the archive ends after \d+ bytes, too early/);
  });
});

describe("an archive of version 1, written in November 2026", () => {
  const path = new URL("../../vectors/archive-1.slim", import.meta.url);
  const bytes = new Uint8Array(readFileSync(path));
  const archive = readSlim(bytes, "archive-1.slim");

  it("holds every code and every encoding, and is read to the bit as it was written", () => {
    expect(archive.origin).toEqual({
      tool: { name: "slimbench", version: "0.1.0" },
      recipe: "prune:0.9+cluster:8",
      seed: 1,
      source: "coded.onnx",
    });
    const codes = [...archive.graph.tensors.values()].flatMap(({ code }) => (code === undefined ? [] : [code.kind]));
    expect(codes).toEqual(["codebook", "codebook", "int4", "int8", "float16"]);
    // Of the graph as it went in. Where this fails, the reader has changed: raise the version, and read the old one as before.
    const digest = createHash("sha256").update(serializeGraph(archive.graph)).digest("hex");
    expect(digest).toBe("84a1e6e0a165765cb1b65027e9bb11319273aff788e819849771008996a8e1cb");
  });

  it("is written again byte by byte", () => {
    expect(Buffer.compare(exportSlim(archive.graph, archive.origin), bytes)).toBe(0);
  });
});

describe("damaged archives", () => {
  const bytes = exportSlim(codedModel(4), { recipe: "x" });

  it("are refused at lengths that are not theirs", () => {
    for (let length = 0; length < bytes.length; length += length < 64 ? 1 : 7) {
      expect(survives(bytes.subarray(0, length))).toBe("error");
      const reader = new SlimReader("cut.slim");
      reader.push(bytes.subarray(0, length));
      expect(() => reader.finish()).toThrow(/^cut.slim: /);
    }
    expect(survives(Uint8Array.of(...bytes, 0))).toBe("error");
    const reader = new SlimReader("long.slim");
    reader.push(bytes);
    expect(() => reader.push(Uint8Array.of(0))).toThrow(/long.slim: the archive goes on behind its last section/);
  });

  it("are refused for every flipped bit", () => {
    fc.assert(
      fc.property(fc.nat(8 * bytes.length - 1), (bit) => {
        const damaged = bytes.slice();
        damaged[bit >> 3]! ^= 1 << (bit & 7);
        expect(survives(damaged)).toBe("error");
      }),
      { numRuns: 400 },
    );
  });

  it("say what they are", () => {
    const changed = (at: number, value: number): Uint8Array => {
      const copy = bytes.slice();
      copy[at] = value;
      return copy;
    };
    expect(() => readSlim(changed(0, 1), "a.slim")).toThrow("a.slim: does not begin as a .slim archive");
    expect(() => readSlim(changed(5, 0x0a), "a.slim")).toThrow("a.slim: a .slim archive whose line ends were converted");
    expect(() => readSlim(changed(8, 2), "a.slim")).toThrow("a.slim: a .slim archive of version 2, expected 1");
    expect(() => readSlim(changed(14, 0x7f), "a.slim")).toThrow(/manifest ends at \d+, behind its own end/);
    expect(() => readSlim(changed(PREFIX_BYTES + 3, 0), "a.slim")).toThrow("manifest whose checksum is wrong");
    expect(() => readSlim(changed(bytes.length - 1, bytes.at(-1)! ^ 1), "a.slim")).toThrow(/tensor ".*": its checksum is wrong/);
  });
});

describe("hostile archives", () => {
  const bytes = exportSlim(codedModel(5));
  const refuse = (change: (text: string) => string, text: RegExp): void => {
    expect(() => readSlim(withManifest(bytes, change), "bad.slim")).toThrow(text);
  };

  it("are read as long as nothing is wrong", () => {
    expect(
      readSlim(
        withManifest(bytes, (text) => text),
        "fine.slim",
      ).graph,
    ).toEqual(codedModel(5));
  });

  it("cannot claim more elements than their bytes can hold", () => {
    refuse(
      (text) =>
        text.replace(
          /"shape":\[[\d,]*\],"data":\{"encoding":"(\w+)","count":\d+/,
          '"shape":[536870912],"data":{"encoding":"$1","count":536870912',
        ),
      /cannot be held by|cannot stand for|encoding|gap/i,
    );
    refuse(
      (text) => text.replace(/"shape":\[[\d,]*\],"data"/, '"shape":[4294967296,4294967296],"data"'),
      /18446744073709552000 elements, at most/,
    );
    refuse((text) => text.replace(/"bytes":\d+/, '"bytes":4000000000'), /cannot be held|sections end at/);
    refuse((text) => text.replace(/"count":\d+/, '"count":1e99'), /count/);
    refuse((text) => text.replace(/"count":\d+/, '"count":-1'), /count/);
  });

  it("cannot unpack into more text than their length allows", () => {
    const bomb = deflateSync(new Uint8Array(2 ** 25).fill(0x20), { level: 9 });
    expect(() => readSlim(assemble(bytes, bomb, new Uint8Array(0)), "bomb.slim")).toThrow(
      /bomb.slim: the archive's manifest takes more than \d+ bytes/,
    );
  });

  it("cannot hold a graph that contradicts itself", () => {
    const edit =
      (
        change: (manifest: {
          graph: { nodes: { inputs: string[]; outputs: string[]; op: string; attrs: object }[]; outputs: string[] };
        }) => void,
      ) =>
      (text: string) => {
        const value = JSON.parse(text) as Parameters<typeof change>[0];
        change(value);
        return JSON.stringify(value);
      };
    refuse(
      edit(({ graph }) => graph.nodes.reverse()),
      /written by no earlier node; the graph has a cycle or a gap/,
    );
    refuse(
      edit(({ graph }) => (graph.nodes[0]!.inputs[0] = graph.nodes[0]!.outputs[0]!)),
      /cycle or a gap/,
    );
    refuse(
      edit(({ graph }) => (graph.nodes[0]!.op = "Eval")),
      /nodes.0: op/,
    );
    refuse(
      edit(({ graph }) => (graph.nodes[0]!.attrs = { run: "x" })),
      /node ".*" \(\w+\): /,
    );
    refuse(
      edit(({ graph }) => (graph.outputs = ["nobody"])),
      /output "nobody" is written by no node/,
    );
    refuse(
      edit(({ graph }) => (graph.nodes = Array.from({ length: 2e4 }, () => 0 as never))),
      /nodes.0: /,
    );
  });

  it("cannot point beyond their arrays", () => {
    refuse((text) => text.replace(/"quant":\{"axis":0\}/, '"quant":{"axis":9}'), /grid along axis 9, expected one of/);
    refuse((text) => text.replace(/"kind":"int8","axis":\d+/, '"kind":"int8","axis":7'), /scales along axis 7/);
    refuse((text) => text.replace(/"quant":\{"axis":0\}/, '"quant":{}'), /numbers for \d+ grids/);
    refuse((text) => text.replace('"tensors":[', '"tensors":[{"name":"input","dtype":"float32","shape":[1]},'), /"input": is there twice/);
    refuse(() => "[".repeat(50_000), /not JSON/);
    refuse(() => "null", /manifest: /);
    refuse((text) => text.replace('"origin":{}', '"origin":{"__proto__":{"x":1}}'), /origin/);
  });

  it("survive random edits of the manifest's numbers, words and lists, checksums right", () => {
    const numbers = fc.constantFrom(
      "0",
      "1",
      "-1",
      "2",
      "7",
      "255",
      "65536",
      "2147483647",
      "4294967295",
      "1e15",
      "0.5",
      '"x"',
      "null",
      "[]",
      "{}",
      '{"$":"inf"}',
    );
    const results = new Set<string>();
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(), numbers), { minLength: 1, maxLength: 3 }), (edits) => {
        const archive = withManifest(bytes, (text) => {
          let changed = text;
          for (const [at, value] of edits) {
            const spots = [...changed.matchAll(/(?<=[:[,])(-?\d+|"\w+"(?=[,\]}]))/g)];
            const spot = spots[at % spots.length]!;
            changed = changed.slice(0, spot.index) + value + changed.slice(spot.index + spot[0].length);
          }
          return changed;
        });
        results.add(survives(archive));
      }),
      { numRuns: 1500 },
    );
    expect(results.has("error")).toBe(true);
  });

  it("survive random bytes behind a right prefix", () => {
    const random = mulberry32(6);
    for (let i = 0; i < 300; i++) {
      const junk = Uint8Array.from({ length: 1 + Math.floor(random() * 200) }, () => random() * 256);
      expect(survives(assemble(bytes, junk, new Uint8Array(0)))).toBe("error");
    }
  });
});
