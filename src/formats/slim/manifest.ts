/**
 * The manifest of an archive: what made it, the graph, and for each array of numbers how its section is encoded (docs/slim-format.md). JSON,
 * deflated; read with a limit on its size and checked word by word before anything else believes it.
 */
import { Inflate, deflateSync } from "fflate";
import { z } from "zod";
import { FormatError } from "../../errors.ts";
import { NIBBLE_VALUES } from "../../graph/code.ts";
import { DTYPES, elementCount } from "../../graph/dtype.ts";
import type { DType } from "../../graph/dtype.ts";
import type { Node, Sparsity } from "../../graph/ir.ts";
import { decodeNumber, encodeNumber } from "../../graph/special-numbers.ts";
import type { Layout } from "./coding/section.ts";
import { attrsFault, issueText, nodeSchema } from "./nodes.ts";

/** Who made an archive and how; whatever is not known is absent. */
export interface SlimOrigin {
  readonly tool?: { readonly name: string; readonly version: string };
  /** Canonical text of the recipe. */
  readonly recipe?: string;
  /** Chose the samples that the recipe calibrated on. */
  readonly seed?: number;
  /** File name of the model that the recipe was applied to. */
  readonly source?: string;
}

export type Section = Layout & {
  /** Elements. */
  readonly count: number;
  /** Encoded. */
  readonly bytes: number;
  /** Of the encoded bytes. */
  readonly crc32: number;
};

export type CodeEntry =
  | { readonly kind: "codebook"; readonly table: Section; readonly indices: Section }
  | { readonly kind: "int4"; readonly block: number; readonly scales: Section; readonly codes: Section }
  | { readonly kind: "int8"; readonly axis: number; readonly scales: Section; readonly codes: Section }
  | { readonly kind: "int8Codebook"; readonly values: number; readonly table: Section; readonly indices: Section }
  | { readonly kind: "float16"; readonly bits: Section };

export interface TensorEntry {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
  /** Scales and zero points: as many as the axis is long, else one; they lie in the two sections of the manifest. */
  readonly quant?: { readonly axis?: number };
  readonly sparsity?: Sparsity;
  /** A constant has either its elements or its code. */
  readonly data?: Section;
  readonly code?: CodeEntry;
}

export interface Manifest {
  readonly origin: SlimOrigin;
  readonly graph: {
    readonly name: string;
    readonly inputs: readonly string[];
    readonly outputs: readonly string[];
    readonly nodes: readonly Node[];
  };
  /** Of all quantized tensors one after the other; absent where there are none. */
  readonly quant?: { readonly scales: Section; readonly zeroPoints: Section };
  readonly tensors: readonly TensorEntry[];
}

/** JSON of a model with a hundred thousand tensors is smaller. */
export const MOST_MANIFEST_BYTES = 2 ** 26;
/** Names and checksums keep manifests from shrinking more than some 15 times; a short file gets no long one. */
const MOST_GROWTH = 100;
const SMALLEST_LIMIT = 2 ** 16;
/** Deflate grows by at most 1032, so a piece becomes a few megabytes before the limit is checked. */
const INFLATE_PIECE = 4096;
const MOST_ELEMENTS = 2 ** 29;

const size = z
  .int()
  .min(0)
  .max(2 ** 32);
const measured = {
  count: size,
  bytes: size,
  crc32: z
    .int()
    .min(0)
    .max(2 ** 32 - 1),
};
const section = z.discriminatedUnion("encoding", [
  z.strictObject({ encoding: z.literal("raw"), ...measured }),
  z.strictObject({ encoding: z.literal("huffman"), ...measured }),
  z.strictObject({
    encoding: z.literal("gap"),
    gapBits: z.int().min(1).max(8),
    entries: size,
    fill: z.int().min(0).max(255),
    ...measured,
  }),
]);
const sparsity = z.discriminatedUnion("pattern", [
  z.strictObject({ pattern: z.literal("unstructured") }),
  z.strictObject({ pattern: z.literal("block"), rows: z.int().min(1), cols: z.int().min(1) }),
  z.strictObject({ pattern: z.literal("nm"), keep: z.int().min(0), of: z.int().min(1), cols: z.int().min(1) }),
]);
const axis = z.int().min(0).max(16);
const code = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("codebook"), table: section, indices: section }),
  z.strictObject({ kind: z.literal("int4"), block: z.int().min(1), scales: section, codes: section }),
  z.strictObject({ kind: z.literal("int8"), axis, scales: section, codes: section }),
  z.strictObject({ kind: z.literal("int8Codebook"), values: z.int().min(1).max(NIBBLE_VALUES), table: section, indices: section }),
  z.strictObject({ kind: z.literal("float16"), bits: section }),
]);
const tensorSchema = z.strictObject({
  name: z.string(),
  dtype: z.enum(DTYPES as DType[]),
  shape: z.array(size).max(16),
  quant: z.strictObject({ axis: axis.optional() }).optional(),
  sparsity: sparsity.optional(),
  data: section.optional(),
  code: code.optional(),
});
/** Long lists are checked one by one, so that a bad one ends at its first bad entry. */
const many = z.custom<readonly unknown[]>((value) => Array.isArray(value), "expected a list");
const manifestSchema = z.strictObject({
  origin: z.strictObject({
    tool: z.strictObject({ name: z.string(), version: z.string() }).optional(),
    recipe: z.string().optional(),
    seed: z.number().optional(),
    source: z.string().optional(),
  }),
  graph: z.strictObject({ name: z.string(), inputs: many, outputs: many, nodes: many }),
  quant: z.strictObject({ scales: section, zeroPoints: section }).optional(),
  tensors: many,
});

export function packManifest(manifest: Manifest): Uint8Array {
  return deflateSync(new TextEncoder().encode(JSON.stringify(manifest, encodeNumber)), { level: 9 });
}

/** @throws FormatError for what cannot be unpacked, is no JSON, or says what no archive says */
export function unpackManifest(packed: Uint8Array, name: string): Manifest {
  let value: unknown;
  const text = new TextDecoder().decode(inflate(packed, name));
  try {
    value = JSON.parse(text, decodeNumber);
  } catch (error) {
    throw new FormatError(`${name}: the archive's manifest is not JSON`, "Write the archive again", error);
  }
  const bad = (what: string): FormatError => new FormatError(`${name}: the archive's manifest: ${what}`, "Write the archive again");
  const { error, data } = manifestSchema.safeParse(value);
  if (error !== undefined) throw bad(issueText(error));
  const { graph, tensors } = data;
  const lists = { inputs: [graph.inputs, z.string()], outputs: [graph.outputs, z.string()], nodes: [graph.nodes, nodeSchema] } as const;
  for (const [what, [list, schema]] of Object.entries({ ...lists, tensors: [tensors, tensorSchema] as const })) {
    list.forEach((item, i) => {
      const { error: wrong } = schema.safeParse(item);
      if (wrong !== undefined) throw bad(`${what}.${i}: ${issueText(wrong)}`);
    });
  }
  // The schemas check and never change: what is used are the values as they were written, in their order.
  const manifest = value as Manifest;
  for (const { name: node, op, attrs } of manifest.graph.nodes) {
    const fault = attrsFault(op, attrs);
    if (fault !== undefined) throw bad(`node "${node}" (${op}): ${fault}`);
  }
  const seen = new Set<string>();
  for (const entry of manifest.tensors) {
    const fault = seen.has(entry.name) ? "is there twice" : entryFault(entry);
    if (fault !== undefined) throw bad(`tensor "${entry.name}": ${fault}`);
    seen.add(entry.name);
  }
  const quantized = manifest.tensors.reduce((sum, entry) => sum + gridLength(entry), 0);
  for (const list of [manifest.quant?.scales, manifest.quant?.zeroPoints]) {
    if ((list?.count ?? 0) !== quantized) throw bad(`quant: ${list?.count ?? 0} numbers for ${quantized} grids`);
  }
  return manifest;
}

/** Scales that a tensor has. */
export function gridLength({ quant, shape }: TensorEntry): number {
  if (quant === undefined) return 0;
  return quant.axis === undefined ? 1 : shape[quant.axis]!;
}

/** What is wrong with a tensor, as the end of a sentence. */
function entryFault({ dtype, shape, quant, data, code }: TensorEntry): string | undefined {
  const count = elementCount(shape);
  if (count > MOST_ELEMENTS) return `has ${count} elements, at most ${MOST_ELEMENTS}`;
  if (quant?.axis !== undefined && quant.axis >= shape.length)
    return `has a grid along axis ${quant.axis}, expected one of ${shape.length}`;
  if (data !== undefined && code !== undefined) return "has elements and a code, expected one of them";
  const coded = code?.kind === "int8Codebook" ? "int8" : "float32";
  if (code !== undefined && dtype !== coded) return `is ${dtype} and has a code of the kind ${code.kind}, expected ${coded}`;
  const elements = data ?? (code && elementsOf(code));
  if (elements !== undefined && elements.count !== count) return `has ${elements.count} elements, expected ${count}`;
  if (code?.kind === "int8Codebook" && code.table.count !== code.values * (shape[0] ?? 1))
    return `has ${code.table.count} shared values, expected ${code.values} for each of ${shape[0] ?? 1} rows`;
  if (code?.kind === "int4" && code.scales.count > count) return `has ${code.scales.count} scales for ${count} elements`;
  return undefined;
}

/** The section of a code that has an entry for each element. */
export function elementsOf(code: CodeEntry): Section {
  switch (code.kind) {
    case "codebook":
    case "int8Codebook":
      return code.indices;
    case "int4":
    case "int8":
      return code.codes;
    case "float16":
      return code.bits;
  }
}

function inflate(packed: Uint8Array, name: string): Uint8Array {
  const most = Math.min(MOST_MANIFEST_BYTES, Math.max(SMALLEST_LIMIT, MOST_GROWTH * packed.length));
  const pieces: Uint8Array[] = [];
  const got = { bytes: 0, ended: false };
  const stream = new Inflate((piece, final) => {
    got.bytes += piece.length;
    if (got.bytes > most) {
      throw new FormatError(`${name}: the archive's manifest takes more than ${most} bytes`, "Get the file again");
    }
    pieces.push(piece);
    got.ended = final;
  });
  try {
    for (let at = 0; at < packed.length; at += INFLATE_PIECE) {
      stream.push(packed.subarray(at, at + INFLATE_PIECE), at + INFLATE_PIECE >= packed.length);
    }
  } catch (error) {
    if (error instanceof FormatError) throw error;
    throw new FormatError(`${name}: the archive's manifest cannot be unpacked`, "Get the file again", error);
  }
  if (!got.ended) throw new FormatError(`${name}: the archive's manifest ends too early`, "Get the file again");
  const whole = new Uint8Array(got.bytes);
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}
