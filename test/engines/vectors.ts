/**
 * The op tests that every engine runs: the golden vectors of test/vectors, and generated cases whose expected values come from the
 * oracle in test/naive. Each case is a graph of one node, compiled and run like any model. An engine may refuse a case with
 * UnsupportedError only when its allowlist names it; integers must match to the bit, floats within the derived tolerance.
 */
import { readFileSync, readdirSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { UnsupportedError } from "../../src/errors.ts";
import type { Engine, EngineContext, EngineOptions } from "../../src/engines/engine.ts";
import { compareOutputs, nodeTolerance } from "../../src/engines/tolerance.ts";
import type { Comparison } from "../../src/engines/tolerance.ts";
import { createArray, elementCount, isFloat } from "../../src/graph/dtype.ts";
import type { DType, TypedArray } from "../../src/graph/dtype.ts";
import type { Graph, Node, OpAttrs, Quantization, Sparsity, Tensor, WeightCode } from "../../src/graph/ir.ts";
import { naive } from "../naive/index.ts";
import type { EngineOp, NaiveTensor } from "../naive/index.ts";
import { codedCases } from "./coded.ts";
import { fixedPointCases } from "./fixed-point.ts";
import { generatedCases } from "./generated.ts";
import { int8CodebookCases } from "./int8-codebook.ts";
import { int16Cases } from "./int16.ts";
import { treeCases } from "./trees.ts";

/** A tensor of a case: constants are baked into the graph, the others are its inputs. */
export interface CaseTensor {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly data: TypedArray;
  readonly quant?: Quantization;
  readonly sparsity?: Sparsity;
  /** Stands for exactly `data`. */
  readonly code?: WeightCode;
  readonly constant?: boolean;
}

export interface OpCase {
  readonly op: EngineOp;
  readonly name: string;
  readonly attrs: OpAttrs[EngineOp];
  readonly inputs: readonly CaseTensor[];
  readonly output: Omit<CaseTensor, "data">;
  /** Golden data; absent: ask the oracle. */
  readonly expected?: TypedArray;
}

type JsonNumber = number | "inf" | "-inf" | "nan";
interface JsonTensor {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly data: readonly JsonNumber[];
  readonly quant?:
    | { readonly scale: number; readonly zeroPoint: number }
    | { readonly scales: number[]; readonly zeroPoints: number[]; readonly axis: number };
  readonly sparsity?: Sparsity;
  readonly constant?: boolean;
}
interface JsonFile {
  readonly op: EngineOp;
  readonly cases: readonly {
    readonly name: string;
    readonly attrs: unknown;
    readonly inputs: readonly JsonTensor[];
    readonly output: JsonTensor;
  }[];
}

const SPECIAL: Readonly<Record<string, number>> = { inf: Infinity, "-inf": -Infinity, nan: NaN };
const FOLDER = new URL("../vectors/", import.meta.url);

/** Every golden vector. */
export function loadVectors(): OpCase[] {
  return readdirSync(FOLDER)
    .filter((file) => file.endsWith(".json"))
    .sort()
    .flatMap((file) => {
      const text = readFileSync(new URL(file, FOLDER), "utf8");
      const { op, cases } = JSON.parse(text, (_, value: unknown) =>
        typeof value === "string" ? (SPECIAL[value] ?? value) : value,
      ) as JsonFile;
      return cases.map(({ name, attrs, inputs, output }): OpCase => {
        const { data, ...rest } = caseTensor(output);
        return { op, name, attrs: attrs as OpAttrs[EngineOp], inputs: inputs.map(caseTensor), output: rest, expected: data };
      });
    });
}

function caseTensor(json: JsonTensor): CaseTensor {
  const { quant, data, ...rest } = json;
  const array = createArray(json.dtype, elementCount(json.shape));
  if (array.length !== data.length) throw new Error(`vector of ${data.length} elements for shape ${String(json.shape)}`);
  array.set(data as readonly number[]);
  if (quant === undefined) return { ...rest, data: array };
  const grid: Quantization =
    "scale" in quant
      ? { scales: Float32Array.of(quant.scale), zeroPoints: Int32Array.of(quant.zeroPoint) }
      : { scales: Float32Array.from(quant.scales), zeroPoints: Int32Array.from(quant.zeroPoints), axis: quant.axis };
  return { ...rest, data: array, quant: grid };
}

/** The graph of one node, its inputs in order, and what must come out. */
export interface PreparedCase {
  readonly title: string;
  readonly graph: Graph;
  readonly node: Node;
  readonly inputs: readonly TypedArray[];
  readonly expected: TypedArray;
  /** 0: exact. */
  readonly tolerance: number;
}

export function prepareCase(opCase: OpCase): PreparedCase {
  const { op, name, attrs, inputs, output } = opCase;
  const tensors = new Map<string, Tensor>();
  const names = inputs.map(({ dtype, shape, data, quant, sparsity, code, constant }, i) => {
    const tensor: Tensor = {
      name: `in${i}`,
      dtype,
      shape,
      ...(quant && { quant }),
      ...(sparsity && { sparsity }),
      ...(code && { code }),
      ...(constant === true && { data }),
    };
    tensors.set(tensor.name, tensor);
    return tensor.name;
  });
  tensors.set("out", { name: "out", dtype: output.dtype, shape: output.shape, ...(output.quant && { quant: output.quant }) });
  const node = { name: "case", op, inputs: names, outputs: ["out"], attrs } as unknown as Node;
  const variable = names.filter((_, i) => inputs[i]!.constant !== true);
  const graph: Graph = { name: `${op}: ${name}`, inputs: variable, outputs: ["out"], tensors, nodes: [node] };
  const expected = opCase.expected ?? oracle(opCase);
  const data = inputs.map((t) => t.data);
  // Golden decimals are themselves rounded once more than the reference.
  const rounding = opCase.expected !== undefined && isFloat(output.dtype) && output.dtype !== "float64" ? 2 ** -24 * largest(expected) : 0;
  const loose =
    output.dtype === "float32"
      ? nodeTolerance(graph, node, data, expected) + (op === "Unary" || op === "Softmax" || op === "Resize" ? rounding : 0)
      : 0;
  return {
    title: `${op}: ${name}`,
    graph,
    node,
    inputs: inputs.filter((t) => t.constant !== true).map((t) => t.data),
    expected,
    tolerance: output.dtype === "float64" ? 1e-12 * largest(expected) : loose,
  };
}

/** Expected data of a case by the oracle, in the output's type. */
export function oracle(opCase: OpCase): TypedArray {
  const { op, attrs, inputs, output } = opCase;
  const values = createArray(output.dtype, elementCount(output.shape));
  values.set(naive(op, attrs, inputs as readonly NaiveTensor[], output));
  return values;
}

function largest(data: TypedArray): number {
  let max = 0;
  for (const v of data) if (Number.isFinite(v)) max = Math.max(max, Math.abs(v));
  return max;
}

/** All cases: golden and generated. */
export function allCases(): OpCase[] {
  return [
    ...loadVectors(),
    ...generatedCases(),
    ...codedCases(),
    ...int8CodebookCases(),
    ...int16Cases(),
    ...fixedPointCases(),
    ...treeCases(),
  ];
}

/** One case through an engine. @throws UnsupportedError when the engine refuses it */
export async function runCase(
  prepared: PreparedCase,
  engine: Engine,
  context: EngineContext,
  options: EngineOptions = {},
): Promise<Comparison> {
  const session = await engine.compile(prepared.graph, context, options);
  try {
    const outputs = await session.run(prepared.inputs);
    return compareOutputs([prepared.expected], outputs, prepared.tolerance);
  } finally {
    session.dispose();
  }
}

export interface VectorOptions {
  readonly engineOptions?: EngineOptions;
  /** Titles (`Op: name`), or starts of titles, of the cases that the engine may refuse. A name that it no longer refuses fails the suite. */
  readonly declines?: readonly string[];
  /** Which cases to run at all; default all. */
  readonly only?: (opCase: OpCase) => boolean;
  /** Cases of one engine's own, on top. */
  readonly extra?: readonly OpCase[];
}

/** Defines the tests of an engine. */
export function describeVectors(
  engineName: string,
  engine: Engine,
  context: EngineContext | (() => Promise<EngineContext>),
  options: VectorOptions = {},
): void {
  describe(`${engineName}: op vectors`, () => {
    const cases = [...allCases().filter(options.only ?? (() => true)), ...(options.extra ?? [])];
    const declines = options.declines ?? [];
    const declined = new Set<string>();
    let ran = 0;
    for (const opCase of cases) {
      it(`${opCase.op}: ${opCase.name}`, async () => {
        const prepared = prepareCase(opCase);
        const listed = declines.find((start) => prepared.title.startsWith(start));
        let comparison: Comparison;
        try {
          comparison = await runCase(prepared, engine, typeof context === "function" ? await context() : context, options.engineOptions);
        } catch (error) {
          if (!(error instanceof UnsupportedError) || listed === undefined) throw error;
          declined.add(listed);
          return;
        }
        ran++;
        expect(comparison.pass, comparison.message).toBe(true);
      });
    }
    it("ran at least one case, and refuses what its allowlist says", () => {
      expect(ran).toBeGreaterThan(0);
      expect([...declined].sort()).toEqual([...declines].sort());
    });
  });
}
