/** Analytic gradients against central differences of the loss, layer by layer, and the SIMD kernels against the plain ones. */
import { beforeAll, describe, expect, it } from "vitest";
import { fillNormal, mulberry32, type Random } from "../../src/data/random.ts";
import type { Compute, Geometry } from "../../src/train/compute.ts";
import { plainCompute } from "../../src/train/compute-plain.ts";
import { wasmCompute } from "../../src/train/compute-wasm.ts";
import { volume, type Dims, type LayerFactory } from "../../src/train/layer.ts";
import { relu } from "../../src/train/layers/activation.ts";
import { batchNorm } from "../../src/train/layers/batch-norm.ts";
import { conv } from "../../src/train/layers/conv.ts";
import { dense } from "../../src/train/layers/dense.ts";
import { depthwise } from "../../src/train/layers/depthwise.ts";
import { globalAveragePool, maxPool } from "../../src/train/layers/pool.ts";
import { softmaxCrossEntropy } from "../../src/train/loss.ts";
import { compileTrainingKernels } from "../../tools/zoo-kernels.ts";

let kernels: Uint8Array<ArrayBuffer>;
beforeAll(() => {
  kernels = compileTrainingKernels();
});

function randomArray(compute: Compute, length: number, random: Random): Float32Array {
  const array = compute.allocate(length);
  fillNormal(random, array);
  return array;
}

const BATCH = 3;
const CASES: readonly [string, Dims, LayerFactory][] = [
  ["conv 3×3, padded", [5, 4, 3], conv("l", { filters: 5, kernel: 3, pad: 1 })],
  ["conv 3×3, stride 2, no bias", [7, 6, 2], conv("l", { filters: 9, kernel: 3, stride: 2, pad: 1, bias: false })],
  ["conv 5×5, valid", [6, 6, 1], conv("l", { filters: 3, kernel: 5 })],
  ["conv 2×2 that leaves a rest", [5, 6, 4], conv("l", { filters: 4, kernel: 2, stride: 2 })],
  ["conv 1×1", [3, 4, 7], conv("l", { filters: 10, kernel: 1 })],
  ["depthwise, stride 1", [5, 4, 4], depthwise("l", { kernel: 3, pad: 1 })],
  ["depthwise, stride 2, 7 channels", [7, 6, 7], depthwise("l", { kernel: 3, stride: 2, pad: 1 })],
  ["dense", [2, 3, 3], dense("l", 7)],
  ["batch norm", [3, 2, 6], batchNorm("l")],
  ["relu", [3, 3, 3], relu("l")],
  ["relu6", [3, 3, 3], relu("l", 1.2)],
  ["max pool", [4, 6, 3], maxPool("l", 2)],
  ["max pool that drops a row and a column", [5, 5, 2], maxPool("l", 2)],
  ["global average pool", [3, 4, 5], globalAveragePool("l")],
];

describe.each(["plain", "wasm"] as const)("gradients on the %s compute", (name) => {
  it.each(CASES)("%s", (_, input, factory) => {
    const compute = name === "plain" ? plainCompute() : wasmCompute(kernels, 8);
    const random = mulberry32(11);
    const layer = factory(input, { compute, maxBatch: BATCH, random });
    const x = randomArray(compute, BATCH * volume(input), random);
    // Parameters away from their special initial values (gamma 1, beta and bias 0).
    for (const p of layer.parameters) fillNormal(random, p.value);
    // The loss is a random linear function of the output: its gradient is the coefficients.
    const coefficients = randomArray(compute, BATCH * volume(layer.output), random);
    const loss = (): number => {
      const y = layer.forward(copyInto(compute, x), BATCH, true);
      let sum = 0;
      for (let i = 0; i < coefficients.length; i++) sum += y[i]! * coefficients[i]!;
      return sum;
    };
    loss();
    const dy = compute.allocate(coefficients.length);
    dy.set(coefficients);
    const dx = layer.backward(dy, BATCH).slice(0, x.length);
    expectDifferences(loss, x, dx, "input");
    for (const p of layer.parameters) expectDifferences(loss, p.value, p.gradient.slice(), p.name);
  });
});

function copyInto(compute: Compute, x: Float32Array): Float32Array {
  const copy = compute.allocate(x.length);
  copy.set(x);
  return copy;
}

/** Central differences in float32: h = 1e-2 is exact for what is linear or quadratic, and rounding stays near 1e-4. */
function expectDifferences(loss: () => number, values: Float32Array, gradient: Float32Array, what: string): void {
  const h = 1e-2;
  const scale = Math.max(1, ...gradient.map(Math.abs));
  let kinks = 0;
  for (let i = 0; i < values.length; i += Math.ceil(values.length / 40)) {
    const own = values[i]!;
    const at = (offset: number): number => {
      values[i] = own + offset;
      const result = loss();
      values[i] = own;
      return result;
    };
    const [below, here, above] = [at(-h), at(0), at(h)];
    // A bend between the two points (a clamp's bound, a new maximum): the difference says nothing there.
    if (Math.abs(above - 2 * here + below) > 2e-3 * scale) {
      kinks++;
      continue;
    }
    expect(
      Math.abs((above - below) / (2 * h) - gradient[i]!) / scale,
      `${what}[${i}]: ${(above - below) / (2 * h)} against ${gradient[i]!}`,
    ).toBeLessThan(5e-3);
  }
  expect(kinks, `${what}: points that could not be checked`).toBeLessThan(8);
}

describe("the difference check itself", () => {
  it("refuses a wrong gradient", () => {
    const values = Float32Array.of(0.3, -0.7);
    const loss = (): number => 2 * values[0]! - 3 * values[1]!;
    expectDifferences(loss, values, Float32Array.of(2, -3), "right");
    expect(() => expectDifferences(loss, values, Float32Array.of(2, -2.9), "wrong")).toThrow(/wrong\[1\]/);
  });
});

describe("softmax cross-entropy", () => {
  it("agrees with a hand-computed value", () => {
    const logits = Float32Array.of(1, 2, 3, 0, 0, 1);
    const gradient = new Float32Array(6);
    const { loss, correct } = softmaxCrossEntropy(logits, Int32Array.of(2, 0), 2, 3, gradient, { scale: 1 });
    // -log(e³/(e+e²+e³)) - log(1/(2+e))
    expect(loss).toBeCloseTo(0.40760596 + 1.55144471, 6);
    expect(correct).toBe(1);
    expect(gradient[2]).toBeCloseTo(Math.exp(3) / (Math.E + Math.exp(2) + Math.exp(3)) - 1, 6);
  });

  it("has the gradient that differences show, with smoothing", () => {
    const logits = Float32Array.of(0.3, -1.2, 0.8, 2, 0.1, -0.4, 0.2, 0.9);
    const labels = Int32Array.of(1, 3);
    const gradient = new Float32Array(8);
    const value = (target: Float32Array): number => softmaxCrossEntropy(logits, labels, 2, 4, target, { scale: 1, smoothing: 0.1 }).loss;
    value(gradient);
    expectDifferences(() => value(new Float32Array(8)), logits, gradient, "logits");
  });

  it("survives logits that overflow an exponential", () => {
    const { loss } = softmaxCrossEntropy(Float32Array.of(1000, 0), Int32Array.of(1), 1, 2, new Float32Array(2), { scale: 1 });
    expect(loss).toBe(1000);
  });
});

describe("SIMD kernels", () => {
  const SIZES = [1, 3, 4, 5, 8, 9, 63, 64, 65];

  it("multiply as the plain compute does, in every remainder and transposition", () => {
    const plain = plainCompute();
    const random = mulberry32(5);
    let cases = 0;
    for (const m of SIZES) {
      for (const n of [1, 7, 8, 17, 521]) {
        for (const k of [1, 4, 255, 257]) {
          if (m * n * k > 2_000_000) continue;
          const wasm = wasmCompute(kernels, 8);
          const a = randomArray(wasm, m * k, random);
          const b = randomArray(wasm, k * n, random);
          const c = randomArray(wasm, m * n, random);
          const spec = { m, n, k, a, b, c, transposeA: random() < 0.5, transposeB: random() < 0.5, accumulate: random() < 0.5 };
          const expected = c.slice();
          plain.matmul({ ...spec, c: expected });
          wasm.matmul(spec);
          expectClose(c, expected, k, `${m}×${n}×${k}`);
          cases++;
        }
      }
    }
    expect(cases).toBeGreaterThan(100);
  });

  it.each<[string, Geometry, number]>([
    ["3×3 padded", { height: 5, width: 6, channels: 5, kernel: 3, stride: 1, pad: 1, outHeight: 5, outWidth: 6 }, 2],
    ["3×3 stride 2", { height: 6, width: 7, channels: 4, kernel: 3, stride: 2, pad: 1, outHeight: 3, outWidth: 4 }, 2],
    ["5×5 wider than the image", { height: 3, width: 2, channels: 3, kernel: 5, stride: 1, pad: 2, outHeight: 3, outWidth: 2 }, 1],
  ])("move along an image as the plain compute does: %s", (_, g, batch) => {
    const plain = plainCompute();
    const wasm = wasmCompute(kernels, 8);
    const random = mulberry32(3);
    const image = randomArray(wasm, batch * g.height * g.width * g.channels, random);
    const weights = randomArray(wasm, g.kernel ** 2 * g.channels, random);
    const outSize = batch * g.outHeight * g.outWidth * g.channels;
    const both = (run: (compute: Compute) => Float32Array, terms: number, what: string): void => {
      expectClose(run(wasm), run(plain), terms, what);
    };
    const columns = randomArray(wasm, outSize * g.kernel ** 2, random);
    const dy = randomArray(wasm, outSize, random);
    const write = (compute: Compute, length: number, kernel: (target: Float32Array) => void): Float32Array => {
      const target = compute.allocate(length);
      kernel(target);
      return target;
    };
    both((c) => write(c, columns.length, (t) => c.im2col(batch, g, image, t)), 1, "im2col");
    both((c) => write(c, image.length, (t) => c.col2im(batch, g, columns, t)), 25, "col2im");
    both((c) => write(c, outSize, (t) => c.depthwise(batch, g, image, weights, t)), 25, "depthwise");
    both((c) => write(c, image.length, (t) => c.depthwiseGradient(batch, g, image, weights, dy, t, c.allocate(weights.length))), 25, "dx");
    both((c) => write(c, weights.length, (t) => c.depthwiseGradient(batch, g, image, weights, dy, c.allocate(image.length), t)), 60, "dw");
  });

  it.each([1, 4, 6, 35])("pass over rows of %i channels as the plain compute does", (channels) => {
    const rows = 700;
    const plain = plainCompute();
    const wasm = wasmCompute(kernels, 8);
    const random = mulberry32(channels);
    const [x, dy] = [randomArray(wasm, rows * channels, random), randomArray(wasm, rows * channels, random)];
    const [p, q, r] = [randomArray(wasm, channels, random), randomArray(wasm, channels, random), randomArray(wasm, channels, random)];
    const run = (c: Compute): readonly Float32Array[] => {
      const [mean, variance, sum, product] = [c.allocate(channels), c.allocate(channels), c.allocate(channels), c.allocate(channels)];
      c.moments(rows, channels, x, mean, variance);
      c.gradientSums(rows, channels, x, p, dy, sum, product);
      const [y, dx, clamped, masked] = [0, 1, 2, 3].map(() => c.allocate(rows * channels)) as [
        Float32Array,
        Float32Array,
        Float32Array,
        Float32Array,
      ];
      c.affine(rows, channels, x, p, q, y);
      c.combine(rows, channels, dy, p, x, q, r, dx);
      clamped.set(x);
      c.clamp(clamped.length, clamped, 0.75);
      masked.set(dy);
      c.clampGradient(masked.length, clamped, masked, 0.75);
      return [mean, variance, sum, product, y, dx, clamped, masked];
    };
    const expected = run(plain);
    run(wasm).forEach((array, i) => expectClose(array, expected[i]!, i < 4 ? rows : 4, `result ${i}`));
  });

  it("refuse an array from elsewhere, and one too short", () => {
    const wasm = wasmCompute(kernels, 1);
    const own = wasm.allocate(16);
    expect(() => wasm.clamp(16, new Float32Array(16), 1)).toThrow(/array from elsewhere/);
    expect(() => wasm.clamp(17, own, 1)).toThrow(/needs 17 elements, got 16/);
    expect(() => wasm.allocate(1 << 20)).toThrow(/more than the 1 MB/);
  });
});

/** Within the error of a float32 sum of `terms` products of standard normal numbers. */
function expectClose(got: Float32Array, want: Float32Array, terms: number, what: string): void {
  const tolerance = 2 ** -23 * Math.max(4, terms) * 4;
  let worst = 0;
  for (let i = 1; i < want.length; i++) if (Math.abs(got[i]! - want[i]!) > Math.abs(got[worst]! - want[worst]!)) worst = i;
  expect(Math.abs(got[worst]! - want[worst]!), `${what}: [${worst}] is ${got[worst]!}, expected ${want[worst]!}`).toBeLessThanOrEqual(
    tolerance,
  );
}
