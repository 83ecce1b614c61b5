/**
 * Generated op cases: every tile remainder (sizes 1, tile-1, tile, tile+1, primes), sparse weights against the same weights held
 * densely, and random attributes. Seeds are fixed and part of each case's name, so a failure names what reproduces it.
 */
import { createArray, elementCount } from "../../src/graph/dtype.ts";
import type { DType, TypedArray } from "../../src/graph/dtype.ts";
import type { Activation, OpAttrs, Quantization, Sparsity } from "../../src/graph/ir.ts";
import type { CaseTensor, OpCase } from "./vectors.ts";

/** Mulberry32: uniform in [0, 1). */
export function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

export const grid = (scale: number, zeroPoint: number): Quantization => ({
  scales: Float32Array.of(scale),
  zeroPoints: Int32Array.of(zeroPoint),
});

export type MakerType = "float32" | "int8" | "uint8" | "int16";

/** Makes tensors of one element kind from one random stream. */
export class Maker {
  readonly type: MakerType;
  readonly rand: () => number;

  constructor(type: MakerType, seed: number) {
    this.type = type;
    this.rand = random(seed);
  }

  int(lo: number, hi: number): number {
    return lo + Math.floor(this.rand() * (hi - lo + 1));
  }

  pick<T>(choices: readonly T[]): T {
    return choices[this.int(0, choices.length - 1)]!;
  }

  fill(dtype: DType, length: number): TypedArray {
    const data = createArray(dtype, length);
    for (let i = 0; i < length; i++) {
      data[i] =
        dtype === "float32"
          ? this.rand() * 2 - 1
          : dtype === "int8"
            ? this.int(-128, 127)
            : dtype === "int16"
              ? this.int(-32768, 32767)
              : dtype === "uint8"
                ? this.int(0, 255)
                : dtype === "int64"
                  ? this.int(-3e6, 3e6)
                  : this.int(-3000, 3000);
    }
    return data;
  }

  activation(shape: readonly number[]): CaseTensor {
    const tensor = { dtype: this.type, shape, data: this.fill(this.type, elementCount(shape)) };
    if (this.type === "int16") return { ...tensor, quant: grid(0.0005, 0) };
    return this.type === "float32"
      ? tensor
      : { ...tensor, quant: grid(0.05, this.type === "int8" ? this.int(-20, 20) : this.int(100, 150)) };
  }

  /** Constant weights; per-axis scales on `axis` for integers. `zeros` is the fraction of zeros, in whole blocks of rows for a block pattern. */
  weights(shape: readonly number[], axis: number, zeros = 0, pattern?: Sparsity): CaseTensor {
    const dtype = this.type === "float32" ? "float32" : "int8";
    const data = this.fill(dtype, elementCount(shape));
    const columns = elementCount(shape.slice(1));
    if (zeros > 0) {
      const rows = pattern?.pattern === "block" ? pattern.cols : 1;
      for (let first = 0; first < shape[0]!; first += rows) {
        for (let k = 0; k < columns; k++)
          if (this.rand() < zeros) for (let r = first; r < Math.min(first + rows, shape[0]!); r++) data[r * columns + k] = 0;
      }
    }
    const base = { dtype, shape, data, constant: true, ...(pattern && { sparsity: pattern }) } as const;
    if (this.type === "float32") return base;
    const channels = shape[axis]!;
    return {
      ...base,
      quant: {
        scales: Float32Array.from({ length: channels }, () => 0.001 + this.rand() * 0.004),
        zeroPoints: new Int32Array(channels),
        axis,
      },
    };
  }

  bias(channels: number): CaseTensor {
    const dtype = this.type === "float32" ? "float32" : this.type === "int16" ? this.pick(["int32", "int64"] as const) : "int32";
    return { dtype, shape: [channels], data: this.fill(dtype, channels), constant: true };
  }

  /** Output of an op that sums about k products. */
  output(shape: readonly number[], k = 1): Omit<CaseTensor, "data"> {
    if (this.type === "float32") return { dtype: "float32", shape };
    if (this.type === "int16") return { dtype: "int16", shape, quant: grid(0.00015 * Math.sqrt(k), 0) };
    return { dtype: this.type, shape, quant: grid(0.01 * Math.sqrt(k), this.type === "int8" ? this.int(-20, 20) : this.int(100, 150)) };
  }

  clamp(): { readonly activation?: Activation } {
    return this.rand() < 0.5 ? {} : { activation: { kind: "clamp", min: 0, max: this.pick([1, 6, Infinity]) } };
  }
}

/** With kernels of their own. */
const TYPES = ["float32", "int8", "int16"] as const;
const BLOCK_8: Sparsity = { pattern: "block", rows: 1, cols: 8 };
const BLOCK_4: Sparsity = { pattern: "block", rows: 1, cols: 4 };

/** 1, and each common tile (4, 8, 16, 32, 64) with its neighbours, and primes. */
const SIZES = [1, 3, 4, 5, 7, 8, 9, 13, 15, 16, 17, 31, 33, 63, 64, 65, 67];

function denseCases(): OpCase[] {
  return TYPES.flatMap((type) =>
    SIZES.flatMap((m, i) =>
      // Two rotations pair every size of M with different sizes of N and K, and each dimension sees every size.
      [
        [SIZES[(i * 7 + 3) % SIZES.length]!, SIZES[(i * 5 + 6) % SIZES.length]!],
        [SIZES[(i * 3 + 1) % SIZES.length]!, SIZES[(i * 11 + 2) % SIZES.length]!],
      ].map(([n, k]): OpCase => {
        const seed = m * 10000 + n! * 100 + k!;
        const make = new Maker(type, seed);
        return {
          op: "Dense",
          name: `${type} remainders M=${m} N=${n!} K=${k!} seed=${seed}`,
          attrs: make.clamp(),
          inputs: [make.activation([m, k!]), make.weights([n!, k!], 0), make.bias(n!)],
          output: make.output([m, n!], k),
        };
      }),
    ),
  );
}

/** Long sums: beyond the 1,024 terms after which 8-bit kernels may have to split, all values at the ends of their range. */
function longSums(): OpCase[] {
  return [1023, 1024, 1025, 2600].flatMap((k) =>
    ["int8", "uint8"].map((type): OpCase => {
      const make = new Maker(type as "int8" | "uint8", k);
      const x = { ...make.activation([9, k]), quant: grid(0.05, type === "int8" ? 127 : 255) };
      x.data.fill(type === "int8" ? -128 : 0);
      const w = make.weights([5, k], 0);
      w.data.fill(-128);
      return {
        op: "Dense",
        name: `${type} extreme values K=${k}`,
        attrs: {},
        inputs: [x, w, make.bias(5)],
        output: { ...make.output([9, 5]), quant: grid(k, 0) },
      };
    }),
  );
}

function matMulCases(): OpCase[] {
  return (["float32", "int8"] as const).flatMap((type) =>
    [1, 2, 3, 4, 5, 6].map((seed): OpCase => {
      const make = new Maker(type, seed);
      const [m, n, k] = [make.pick(SIZES), make.pick(SIZES), make.pick(SIZES)];
      const [transposeA, transposeB] = [make.rand() < 0.5, make.rand() < 0.5];
      const a = make.activation([2, 1, ...(transposeA ? [k, m] : [m, k])]);
      const b = { ...make.activation([3, ...(transposeB ? [n, k] : [k, n])]), constant: make.rand() < 0.5 };
      return {
        op: "MatMul",
        name: `${type} M=${m} N=${n} K=${k} seed=${seed}`,
        attrs: { transposeA, transposeB },
        inputs: [a, b],
        output: make.output([2, 3, m, n], k),
      };
    }),
  );
}

interface Window {
  readonly attrs: Pick<OpAttrs["Conv2D"], "strides" | "dilations" | "pads">;
  readonly kernel: readonly [number, number];
  readonly size: readonly [number, number];
  readonly out: readonly [number, number];
}

/** A random window that has at least one output. */
function randomWindow(make: Maker, kernels: readonly (readonly [number, number])[]): Window {
  for (;;) {
    const kernel = make.pick(kernels);
    const strides = [make.int(1, 3), make.int(1, 2)] as const;
    const dilations = make.rand() < 0.7 ? ([1, 1] as const) : ([make.int(1, 2), make.int(1, 3)] as const);
    const pads =
      make.rand() < 0.3
        ? ([0, 0, 0, 0] as const)
        : ([make.int(0, kernel[0] - 1), make.int(0, kernel[1] - 1), make.int(0, kernel[0] - 1), make.int(0, kernel[1] - 1)] as const);
    const size = [make.int(1, 11), make.int(1, 11)] as const;
    const length = (d: 0 | 1): number =>
      Math.floor((size[d] + pads[d] + pads[d + 2]! - dilations[d] * (kernel[d] - 1) - 1) / strides[d]) + 1;
    const out = [length(0), length(1)] as const;
    if (out[0] > 0 && out[1] > 0) return { attrs: { strides, dilations, pads }, kernel, size, out };
  }
}

const KERNELS = [
  [1, 1],
  [3, 3],
  [3, 3],
  [2, 2],
  [5, 5],
  [1, 3],
  [4, 1],
] as const;

function convCases(): OpCase[] {
  return (["float32", "int8", "uint8", "int16"] as const).flatMap((type) =>
    Array.from({ length: type === "uint8" ? 6 : 20 }, (_, seed): OpCase => {
      const make = new Maker(type, 500 + seed);
      const { attrs, kernel, size, out } = randomWindow(make, KERNELS);
      const groups = make.rand() < 0.7 ? 1 : make.int(2, 3);
      const groupIn = make.pick([1, 3, 4, 5, 8, 9, 17]);
      const groupOut = make.pick([1, 3, 4, 5, 7, 8, 9, 13, 17]);
      const batch = make.int(1, 2);
      const channels = groups * groupOut;
      return {
        op: "Conv2D",
        name: `${type} random, kernel ${kernel.join("x")}, ${groups} groups, seed=${500 + seed}`,
        attrs: { ...attrs, groups, ...make.clamp() },
        inputs: [make.activation([batch, ...size, groups * groupIn]), make.weights([channels, ...kernel, groupIn], 0), make.bias(channels)],
        output: make.output([batch, ...out, channels], kernel[0] * kernel[1] * groupIn),
      };
    }),
  );
}

function depthwiseCases(): OpCase[] {
  return (["float32", "int8", "uint8", "int16"] as const).flatMap((type) =>
    Array.from({ length: type === "uint8" ? 4 : 16 }, (_, seed): OpCase => {
      const make = new Maker(type, 700 + seed);
      const { attrs, kernel, size, out } = randomWindow(make, KERNELS);
      const channels = make.pick([1, 3, 4, 5, 7, 8, 9, 15, 16, 17, 33]);
      const total = channels * (make.rand() < 0.7 ? 1 : make.int(2, 3));
      return {
        op: "DepthwiseConv2D",
        name: `${type} random, kernel ${kernel.join("x")}, ${channels} to ${total} channels, seed=${700 + seed}`,
        attrs: { ...attrs, groups: 1, ...make.clamp() },
        inputs: [make.activation([1, ...size, channels]), make.weights([1, ...kernel, total], 3), make.bias(total)],
        output: make.output([1, ...out, total], kernel[0] * kernel[1]),
      };
    }),
  );
}

/** The windows that kernels specialise: 3×3 over an image wide enough for whole tiles and their remainders, at both strides. */
function depthwiseTileCases(): OpCase[] {
  return (["float32", "int8", "uint8", "int16"] as const).flatMap((type) =>
    ([1, 2] as const).flatMap((stride) =>
      [5, 16, 33].map((channels): OpCase => {
        const seed = 750 + stride * 100 + channels;
        const make = new Maker(type, seed);
        const size = [6, 12 + stride] as const;
        const out = size.map((n) => Math.floor((n - 1) / stride) + 1);
        return {
          op: "DepthwiseConv2D",
          name: `${type} 3x3 stride ${stride}, ${channels} channels, seed=${seed}`,
          attrs: { strides: [stride, stride], dilations: [1, 1], pads: [1, 1, 1, 1], groups: 1, ...make.clamp() },
          inputs: [make.activation([2, ...size, channels]), make.weights([1, 3, 3, channels], 3), make.bias(channels)],
          output: make.output([2, ...out, channels], 9),
        };
      }),
    ),
  );
}

function transposeConvCases(): OpCase[] {
  return Array.from({ length: 10 }, (_, seed): OpCase => {
    const make = new Maker("float32", 800 + seed);
    const kernel = make.pick(KERNELS);
    const strides = [make.int(1, 3), make.int(1, 3)] as const;
    const dilations = make.rand() < 0.7 ? ([1, 1] as const) : ([2, 1] as const);
    const size = [make.int(2, 6), make.int(2, 6)] as const;
    const outputPadding = [make.int(0, strides[0] - 1), make.int(0, strides[1] - 1)] as const;
    const groups = make.int(1, 2);
    const groupIn = make.pick([1, 3, 4, 5]);
    const groupOut = make.pick([1, 3, 4, 5, 9]);
    const pads = [make.int(0, 1), 0, 0, make.int(0, 1)] as const;
    const length = (d: 0 | 1): number =>
      (size[d] - 1) * strides[d] + dilations[d] * (kernel[d] - 1) + 1 - pads[d] - pads[d + 2]! + outputPadding[d];
    return {
      op: "ConvTranspose2D",
      name: `random, kernel ${kernel.join("x")}, strides ${strides.join("x")}, ${groups} groups, seed=${800 + seed}`,
      attrs: { strides, dilations, pads, outputPadding, groups, ...make.clamp() },
      inputs: [
        make.activation([2, ...size, groups * groupIn]),
        make.weights([groups * groupOut, ...kernel, groupIn], 0),
        make.bias(groups * groupOut),
      ],
      output: make.output([2, length(0), length(1), groups * groupOut]),
    };
  });
}

/** Sparse weights must give what the same weights give when held densely: the oracle knows nothing of zeros. */
function sparseCases(): OpCase[] {
  const patterns = [BLOCK_8, BLOCK_4, { pattern: "unstructured" }] as const;
  return (["float32", "int8"] as const).flatMap((type) =>
    patterns.flatMap((pattern) =>
      [0.2, 0.5, 0.7, 0.9, 1].flatMap((zeros): OpCase[] => {
        const seed = Math.round(zeros * 100) + (pattern === BLOCK_8 ? 1000 : pattern === BLOCK_4 ? 3000 : 2000);
        const make = new Maker(type, seed);
        const label = `${type} ${pattern === BLOCK_4 ? "block of 4" : pattern.pattern} ${zeros * 100} % zeros seed=${seed}`;
        const [m, n, k] = [make.pick([1, 3, 8, 13, 33]), make.pick([8, 16, 17, 29, 64]), make.pick([5, 16, 67])];
        const [c, o] = [make.pick([3, 8, 16]), make.pick([8, 12, 24, 33])];
        return [
          {
            op: "Dense",
            name: label,
            attrs: make.clamp(),
            inputs: [make.activation([m, k]), make.weights([n, k], 0, zeros, pattern), make.bias(n)],
            output: make.output([m, n], k),
          },
          {
            op: "Conv2D",
            name: `1x1 ${label}`,
            attrs: { strides: [1, 1], dilations: [1, 1], pads: [0, 0, 0, 0], groups: 1, ...make.clamp() },
            inputs: [make.activation([1, 5, 7, c]), make.weights([o, 1, 1, c], 0, zeros, pattern), make.bias(o)],
            output: make.output([1, 5, 7, o], c),
          },
          {
            op: "Conv2D",
            name: `3x3 ${label}`,
            attrs: { strides: [2, 1], dilations: [1, 1], pads: [1, 1, 1, 1], groups: 1, ...make.clamp() },
            inputs: [make.activation([1, 5, 7, c]), make.weights([o, 3, 3, c], 0, zeros, pattern), make.bias(o)],
            output: make.output([1, 3, 7, o], 9 * c),
          },
        ];
      }),
    ),
  );
}

function poolCases(): OpCase[] {
  return (["MaxPool2D", "AveragePool2D"] as const).flatMap((op) =>
    TYPES.flatMap((type) =>
      Array.from({ length: 8 }, (_, seed): OpCase => {
        const make = new Maker(type, 900 + seed);
        const { attrs, kernel, size, out } = randomWindow(make, [
          [2, 2],
          [3, 3],
          [1, 2],
          [3, 2],
          [5, 5],
        ]);
        const channels = make.pick([1, 3, 4, 8, 9, 17]);
        const x = make.activation([2, ...size, channels]);
        const same = { dtype: x.dtype, shape: [2, ...out, channels], ...(x.quant && { quant: x.quant }) };
        return {
          op,
          name: `${type} random, kernel ${kernel.join("x")}, seed=${900 + seed}`,
          attrs: { ...attrs, kernel, countIncludePad: make.rand() < 0.5, ...make.clamp() },
          inputs: [x],
          // Windows that lie wholly in padding have no mean; pads are below the kernel size but dilation can still hide one.
          output: make.rand() < 0.5 || attrs.dilations[0] > 1 ? same : make.output([2, ...out, channels], 9),
        };
      }).filter(hasNoEmptyWindow),
    ),
  );
}

function hasNoEmptyWindow({ attrs, inputs, output }: OpCase): boolean {
  const { kernel, strides, dilations, pads } = attrs as OpAttrs["MaxPool2D"];
  const touches = (d: 0 | 1): boolean =>
    Array.from({ length: output.shape[d + 1]! }, (_, o) => o).every((o) =>
      Array.from({ length: kernel[d] }, (_, k) => o * strides[d] + k * dilations[d] - pads[d]).some(
        (p) => p >= 0 && p < inputs[0]!.shape[d + 1]!,
      ),
    );
  return touches(0) && touches(1);
}

function elementwiseCases(): OpCase[] {
  const shapes = [
    [[67], [67], [67]],
    [[2, 3, 5, 7], [7], [2, 3, 5, 7]],
    [
      [2, 3, 5, 7],
      [1, 1, 1, 7],
      [2, 3, 5, 7],
    ],
    [
      [2, 3, 5, 7],
      [2, 1, 1, 7],
      [2, 3, 5, 7],
    ],
    [
      [3, 1, 5],
      [4, 1],
      [3, 4, 5],
    ],
    [[1], [31], [31]],
    [
      [2, 1, 33],
      [1, 3, 1],
      [2, 3, 33],
    ],
  ] as const;
  const binary = TYPES.flatMap((type) =>
    (["add", "sub", "mul"] as const).flatMap((fn) =>
      shapes.map(([a, b, out], i): OpCase => {
        const make = new Maker(type, 1100 + i);
        return {
          op: "Binary",
          name: `${type} ${fn} ${a.join("x")} with ${b.join("x")}, seed=${1100 + i}`,
          attrs: { fn, ...make.clamp() },
          inputs: [make.activation(a), make.activation(b)],
          output: make.output(out, 25),
        };
      }),
    ),
  );
  const unary = (["relu", "sigmoid", "tanh", "hardswish", "exp"] as const).flatMap((fn) =>
    [1, 3, 4, 5, 31, 64, 65, 257].map((length): OpCase => {
      const make = new Maker("float32", length);
      return {
        op: "Unary",
        name: `float32 ${fn}, ${length} elements`,
        attrs: { fn },
        inputs: [make.activation([length])],
        output: make.output([length]),
      };
    }),
  );
  // Every byte through a table.
  const bytes = (["relu", "sigmoid", "tanh", "hardswish"] as const).flatMap((fn) =>
    (["int8", "uint8"] as const).map((type): OpCase => {
      const make = new Maker(type, 7);
      const x = { ...make.activation([256]), data: createArray(type, 256).map((_: number, i: number) => (type === "int8" ? i - 128 : i)) };
      return { op: "Unary", name: `${type} ${fn}, every byte`, attrs: { fn }, inputs: [x], output: make.output([256]) };
    }),
  );
  const softmax = TYPES.flatMap((type) =>
    [1, 2, 3, 10, 12, 67, 1000].map((classes): OpCase => {
      const make = new Maker(type, classes);
      const output = {
        dtype: type,
        shape: [3, classes],
        ...(type !== "float32" && { quant: type === "int8" ? grid(1 / 256, -128) : grid(2 ** -15, 0) }),
      };
      return {
        op: "Softmax",
        name: `${type}, ${classes} classes`,
        attrs: { axis: 1, beta: 1 },
        inputs: [make.activation([3, classes])],
        output,
      };
    }),
  );
  const mean = TYPES.flatMap((type) =>
    [[1, 2], [1], [2], [3], [0, 3]].map((axes, i): OpCase => {
      const make = new Maker(type, 1300 + i);
      const shape = [2, 5, 7, 9];
      const kept = shape.map((size, d) => (axes.includes(d) ? 1 : size));
      return {
        op: "Reduce",
        name: `${type} mean over ${axes.join(",")}, seed=${1300 + i}`,
        attrs: { fn: "mean", axes, keepDims: true },
        inputs: [make.activation(shape)],
        output: make.output(kept),
      };
    }),
  );
  return [...binary, ...unary, ...bytes, ...softmax, ...mean];
}

export function generatedCases(): OpCase[] {
  return [
    ...denseCases(),
    ...longSums(),
    ...matMulCases(),
    ...convCases(),
    ...depthwiseCases(),
    ...depthwiseTileCases(),
    ...transposeConvCases(),
    ...sparseCases(),
    ...poolCases(),
    ...elementwiseCases(),
  ];
}
