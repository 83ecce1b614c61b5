/** Imported ops against onnxruntime on seeded random attributes, shapes and data; a failure names the seed and the model. */
import { describe, expect, it } from "vitest";
import { mulberry32 } from "../../../src/data/random.ts";
import { compareTensors } from "../../../tools/conformance-runner.ts";
import { floats, int64s, onnxFile, runOrt, runOurs, type TestModel, type TestTensor } from "./model.ts";

type Random = () => number;

interface Case {
  readonly model: TestModel;
  readonly inputs: Readonly<Record<string, TestTensor>>;
}

const int = (random: Random, low: number, high: number): number => low + Math.floor(random() * (high - low + 1));
const pick = <T>(random: Random, list: readonly T[]): T => list[int(random, 0, list.length - 1)]!;
const signed =
  (random: Random): Random =>
  () =>
    random() * 4 - 2;

async function agree(seed: number, { model, inputs }: Case, relative = 1e-4): Promise<void> {
  const bytes = onnxFile(model);
  const what = `seed ${seed}: ${JSON.stringify(model.nodes)}`;
  let expected: readonly TestTensor[];
  try {
    expected = await runOrt(bytes, inputs);
  } catch (error) {
    throw new Error(`${what}: the oracle refuses the model`, { cause: error });
  }
  const actual = await runOurs(
    bytes,
    Object.values(inputs).map((t) => t.data),
  ).catch((error: unknown) => {
    throw new Error(`${what}: ${String(error)}`, { cause: error });
  });
  expect(actual.length).toBe(expected.length);
  expected.forEach((want, i) => {
    const got = actual[i]!;
    const dtype = got.dtype ?? "float32";
    expect(compareTensors({ ...got, dtype }, { ...want, dtype }, relative), what).toBe("");
  });
}

function windowAttributes(random: Random, spatial: number, kernel: readonly number[]): Record<string, string | readonly number[]> {
  const list = (low: number, high: number): readonly number[] => Array.from({ length: spatial }, () => int(random, low, high));
  const dilations = list(1, 2);
  const auto = pick(random, ["NOTSET", "NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID"]);
  const pads = Array.from({ length: 2 * spatial }, (_, i) => int(random, 0, Math.max(0, kernel[i % spatial]! - 1)));
  return {
    kernel_shape: kernel,
    strides: list(1, 3),
    dilations: auto.startsWith("SAME") ? list(1, 1) : dilations,
    ...(auto === "NOTSET" ? { pads } : { auto_pad: auto }),
  };
}

function convCase(seed: number): Case {
  const random = mulberry32(seed);
  const spatial = pick(random, [1, 2, 2]);
  const groups = pick(random, [1, 1, 2, 3]);
  const perGroup = pick(random, [1, 2, 4]);
  const outputs = groups * int(random, 1, 3);
  const kernel = Array.from({ length: spatial }, () => int(random, 1, 3));
  const x = floats([int(random, 1, 2), groups * perGroup, ...kernel.map(() => int(random, 6, 9))], signed(random));
  const bias = random() < 0.5;
  return {
    model: {
      inputs: { x: x.shape },
      initializers: { w: floats([outputs, perGroup, ...kernel], signed(random)), ...(bias && { b: floats([outputs], signed(random)) }) },
      nodes: [
        {
          op: "Conv",
          inputs: bias ? ["x", "w", "b"] : ["x", "w"],
          outputs: ["y"],
          attributes: { ...windowAttributes(random, spatial, kernel), group: groups },
        },
      ],
      outputs: ["y"],
    },
    inputs: { x },
  };
}

function convTransposeCase(seed: number): Case {
  const random = mulberry32(seed);
  const spatial = pick(random, [1, 2, 2]);
  const groups = pick(random, [1, 1, 2]);
  const [perGroupIn, perGroupOut] = [int(random, 1, 3), int(random, 1, 3)];
  const kernel = Array.from({ length: spatial }, () => int(random, 1, 4));
  const strides = kernel.map(() => int(random, 1, 3));
  const x = floats([1, groups * perGroupIn, ...kernel.map(() => int(random, 3, 5))], signed(random));
  const pads = [...kernel, ...kernel].map((k) => int(random, 0, Math.floor((k - 1) / 2)));
  return {
    model: {
      inputs: { x: x.shape },
      initializers: {
        w: floats([groups * perGroupIn, perGroupOut, ...kernel], signed(random)),
        b: floats([groups * perGroupOut], signed(random)),
      },
      nodes: [
        {
          op: "ConvTranspose",
          inputs: ["x", "w", "b"],
          outputs: ["y"],
          attributes: {
            kernel_shape: kernel,
            strides,
            group: groups,
            pads,
            output_padding: strides.map((s) => int(random, 0, s - 1)),
          },
        },
      ],
      outputs: ["y"],
    },
    inputs: { x },
  };
}

function poolCase(seed: number): Case {
  const random = mulberry32(seed);
  const spatial = pick(random, [1, 2, 2]);
  const op = pick(random, ["MaxPool", "AveragePool"]);
  const kernel = Array.from({ length: spatial }, () => int(random, 1, 3));
  const { dilations, ...attributes } = windowAttributes(random, spatial, kernel);
  // The oracle computes negative padding for SAME windows that skip elements, and refuses it.
  if (attributes["auto_pad"] !== undefined) attributes["strides"] = kernel.map((k) => int(random, 1, k));
  const x = floats([1, 3, ...kernel.map(() => int(random, 6, 9))], signed(random));
  const notset = attributes["auto_pad"] === undefined;
  return {
    model: {
      inputs: { x: x.shape },
      nodes: [
        {
          op,
          inputs: ["x"],
          outputs: ["y"],
          attributes: {
            ...attributes,
            ...(op === "MaxPool" ? { dilations: dilations! } : { count_include_pad: int(random, 0, 1) }),
            ...(notset && { ceil_mode: int(random, 0, 1) }),
          },
        },
      ],
      outputs: ["y"],
    },
    inputs: { x },
  };
}

function sliceCase(seed: number): Case {
  const random = mulberry32(seed);
  const x = floats([int(random, 1, 5), int(random, 1, 5), int(random, 1, 6)], signed(random));
  const axes = [0, 1, 2].filter(() => random() < 0.7);
  if (axes.length === 0) axes.push(0);
  const far = (): number => pick(random, [-(2 ** 40), -3, -2, -1, 0, 1, 2, 3, 2 ** 40]);
  return {
    model: {
      inputs: { x: x.shape },
      initializers: {
        starts: int64s(axes.map(far)),
        ends: int64s(axes.map(far)),
        axes: int64s(axes.map((a) => (random() < 0.5 ? a : a - 3))),
        steps: int64s(axes.map(() => pick(random, [-2, -1, 1, 1, 2, 3]))),
      },
      nodes: [{ op: "Slice", inputs: ["x", "starts", "ends", "axes", "steps"], outputs: ["y"] }],
      outputs: ["y"],
    },
    inputs: { x },
  };
}

function resizeCase(seed: number): Case {
  const random = mulberry32(seed);
  const x = floats([1, 2, int(random, 2, 6), int(random, 2, 6)], signed(random));
  const mode = pick(random, ["nearest", "linear", "cubic"]);
  const sizes = random() < 0.5;
  const coordinates = pick(random, ["half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel"]);
  // Aligned corners with a length that does not come out whole: ONNX divides by the unrounded length, the oracle by the rounded one.
  const scale = (): number => pick(random, coordinates === "align_corners" ? [1, 2, 3] : [0.5, 0.75, 1, 1.5, 2, 3]);
  const initializers = sizes
    ? { roi: floats([0], random), target: int64s([1, 2, int(random, 1, 9), int(random, 1, 9)]) }
    : { roi: floats([0], random), target: { shape: [4], data: Float32Array.of(1, 1, scale(), scale()) } };
  return {
    model: {
      inputs: { x: x.shape },
      initializers,
      nodes: [
        {
          op: "Resize",
          inputs: sizes ? ["x", "", "", "target"] : ["x", "roi", "target"],
          outputs: ["y"],
          attributes: {
            mode,
            coordinate_transformation_mode: coordinates,
            nearest_mode: pick(random, ["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"]),
          },
        },
      ],
      outputs: ["y"],
    },
    inputs: { x },
  };
}

function gemmCase(seed: number): Case {
  const random = mulberry32(seed);
  const [m, k, n] = [int(random, 1, 5), int(random, 1, 6), int(random, 1, 5)];
  const [transA, transB] = [int(random, 0, 1), int(random, 0, 1)];
  const a = floats(transA ? [k, m] : [m, k], signed(random));
  const b = floats(transB ? [n, k] : [k, n], signed(random));
  const constant = random() < 0.6;
  const c = pick(random, [undefined, [n], [1, n], [m, 1], [m, n], [1], []]);
  const scaled = random() < 0.5;
  return {
    model: {
      inputs: { a: a.shape, ...(!constant && { b: b.shape }) },
      initializers: { ...(constant && { b }), ...(c && { c: floats(c, signed(random)) }) },
      nodes: [
        {
          op: "Gemm",
          inputs: c ? ["a", "b", "c"] : ["a", "b"],
          outputs: ["y"],
          attributes: { transA, transB, ...(scaled && { alpha: { float: 0.5 }, beta: { float: 2 } }) },
        },
      ],
      outputs: ["y"],
    },
    inputs: { a, ...(!constant && { b }) },
  };
}

function padCase(seed: number): Case {
  const random = mulberry32(seed);
  const x = floats([2, 3, 4, 5], signed(random));
  const mode = pick(random, ["constant", "reflect", "edge"]);
  const pads = [...x.shape, ...x.shape].map((d) => int(random, mode === "constant" ? -1 : 0, d - 1));
  return {
    model: {
      inputs: { x: x.shape },
      initializers: { pads: int64s(pads), value: { shape: [], data: Float32Array.of(1.5) } },
      nodes: [{ op: "Pad", inputs: ["x", "pads", "value"], outputs: ["y"], attributes: { mode } }],
      outputs: ["y"],
    },
    inputs: { x },
  };
}

function reduceCase(seed: number): Case {
  const random = mulberry32(seed);
  const x = floats([2, 3, 4, 2], signed(random));
  const axes = [0, 1, 2, 3].filter(() => random() < 0.5).map((a) => (random() < 0.5 ? a : a - 4));
  const op = pick(random, ["ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2", "ReduceSumSquare"]);
  return {
    model: {
      inputs: { x: x.shape },
      nodes: [
        {
          op,
          inputs: ["x"],
          outputs: ["y"],
          attributes: { keepdims: int(random, 0, 1), ...(axes.length > 0 && { axes }) },
        },
      ],
      outputs: ["y"],
    },
    inputs: { x },
  };
}

const FAMILIES: readonly (readonly [string, number, (seed: number) => Case])[] = [
  ["Conv", 60, convCase],
  ["ConvTranspose", 40, convTransposeCase],
  ["MaxPool and AveragePool", 60, poolCase],
  ["Slice", 60, sliceCase],
  ["Resize", 60, resizeCase],
  ["Gemm", 60, gemmCase],
  ["Pad", 40, padCase],
  ["Reduce", 40, reduceCase],
];

describe("against onnxruntime", () => {
  it.each(FAMILIES)("%s", async (_, count, make) => {
    for (let seed = 1; seed <= count; seed++) await agree(seed, make(seed));
  });

  it.each([9, 11, 13])("Softmax of opset %i on every axis", async (opset) => {
    const random = mulberry32(opset);
    const x = floats([2, 3, 4], signed(random));
    for (const axis of [0, 1, 2]) {
      const nodes = [{ op: "Softmax", inputs: ["x"], outputs: ["y"], attributes: { axis } }];
      await agree(axis, { model: { opset, inputs: { x: x.shape }, nodes, outputs: ["y"] }, inputs: { x } });
    }
  });

  it.each([8, 9, 10])("Upsample or Resize of opset %i", async (opset) => {
    const random = mulberry32(opset);
    const x = floats([1, 2, 3, 4], signed(random));
    for (const mode of ["nearest", "linear"]) {
      const op = opset === 10 ? "Resize" : "Upsample";
      const scales = { shape: [4], data: Float32Array.of(1, 1, 2, 3) };
      const model: TestModel =
        opset === 8
          ? {
              opset,
              inputs: { x: x.shape },
              nodes: [{ op, inputs: ["x"], outputs: ["y"], attributes: { mode, scales: { floats: [1, 1, 2, 3] } } }],
              outputs: ["y"],
            }
          : {
              opset,
              inputs: { x: x.shape },
              initializers: { scales },
              nodes: [{ op, inputs: ["x", "scales"], outputs: ["y"], attributes: { mode } }],
              outputs: ["y"],
            };
      await agree(opset, { model, inputs: { x } });
    }
  });

  it("Clip, Slice, Squeeze, Unsqueeze, Split, ReduceSum, Pad and Dropout in their attribute forms (opset 10)", async () => {
    const random = mulberry32(3);
    const x = floats([1, 4, 6], signed(random));
    const model: TestModel = {
      opset: 10,
      inputs: { x: x.shape },
      nodes: [
        { op: "Clip", inputs: ["x"], outputs: ["a"], attributes: { min: { float: -1 }, max: { float: 1.25 } } },
        { op: "Squeeze", inputs: ["a"], outputs: ["b"], attributes: { axes: [0] } },
        { op: "Split", inputs: ["b"], outputs: ["c", "d"], attributes: { axis: 1, split: [2, 4] } },
        { op: "Pad", inputs: ["c"], outputs: ["e"], attributes: { mode: "reflect", pads: [0, 1, 0, 1] } },
        { op: "Add", inputs: ["d", "e"], outputs: ["f"] },
        { op: "Unsqueeze", inputs: ["f"], outputs: ["g"], attributes: { axes: [0, 3] } },
        { op: "ReduceSum", inputs: ["g"], outputs: ["h"], attributes: { axes: [2], keepdims: 0 } },
        { op: "Dropout", inputs: ["h"], outputs: ["i"] },
        { op: "Flatten", inputs: ["i"], outputs: ["y"], attributes: { axis: 2 } },
      ],
      outputs: ["y", "c"],
    };
    await agree(3, { model, inputs: { x } });
  });

  it("shape arithmetic folds away", async () => {
    const random = mulberry32(4);
    const x = floats([2, 3, 4], signed(random));
    const model: TestModel = {
      inputs: { x: x.shape },
      initializers: {
        zero: int64s([0]),
        two: int64s([2]),
        three: int64s([3]),
        minus: int64s([-1]),
        one: { dtype: "int64", shape: [], data: Float64Array.of(1) },
      },
      nodes: [
        { op: "Shape", inputs: ["x"], outputs: ["s"] },
        { op: "Slice", inputs: ["s", "two", "three", "zero"], outputs: ["last"] },
        { op: "Gather", inputs: ["s", "one"], outputs: ["middle"], attributes: { axis: 0 } },
        { op: "Unsqueeze", inputs: ["middle", "zero"], outputs: ["middle1"] },
        { op: "Mul", inputs: ["last", "two"], outputs: ["twice"] },
        { op: "Cast", inputs: ["twice"], outputs: ["f"], attributes: { to: 1 } },
        { op: "Cast", inputs: ["f"], outputs: ["back"], attributes: { to: 7 } },
        { op: "Concat", inputs: ["middle1", "back"], outputs: ["target"], attributes: { axis: 0 } },
        { op: "Reshape", inputs: ["x", "target"], outputs: ["y"] },
      ],
      outputs: ["y"],
    };
    await agree(4, { model, inputs: { x } });
  });

  it("HardSwish decomposed, PRelu, Erf, mixed Pow, Expand, Tile", async () => {
    const random = mulberry32(5);
    const x = floats([2, 3, 1], signed(random));
    const model: TestModel = {
      inputs: { x: x.shape },
      initializers: {
        slope: floats([3, 1], random),
        two: { dtype: "int32", shape: [], data: Int32Array.of(2) },
        shape: int64s([2, 3, 4]),
        repeats: int64s([1, 2, 3]),
      },
      nodes: [
        { op: "PRelu", inputs: ["x", "slope"], outputs: ["a"] },
        { op: "Erf", inputs: ["a"], outputs: ["b"] },
        { op: "Pow", inputs: ["b", "two"], outputs: ["c"] },
        { op: "Expand", inputs: ["c", "shape"], outputs: ["d"] },
        { op: "Tile", inputs: ["d", "repeats"], outputs: ["y"] },
      ],
      outputs: ["y"],
    };
    await agree(5, { model, inputs: { x } });
  });
});
