import { describe, expect, it } from "vitest";
import { fillNormal, mulberry32 } from "../../src/data/random.ts";
import { augment } from "../../src/train/augment.ts";
import { pruneBlocks, shrinkBlocks, shrinkWeights, zeroBlockShare, zeroShare } from "../../src/train/block-sparsity.ts";
import { plainCompute } from "../../src/train/compute-plain.ts";
import type { Parameter } from "../../src/train/layer.ts";
import { relu } from "../../src/train/layers/activation.ts";
import { batchNorm } from "../../src/train/layers/batch-norm.ts";
import { conv } from "../../src/train/layers/conv.ts";
import { dense } from "../../src/train/layers/dense.ts";
import { globalAveragePool } from "../../src/train/layers/pool.ts";
import { localExecutor, train, type EpochReport, type LoopOptions } from "../../src/train/loop.ts";
import { buildNetwork, type Network } from "../../src/train/network.ts";
import { adam, cosineSchedule, sgd } from "../../src/train/optimizer.ts";
import { evaluate, shardRunner, type TrainingSet } from "../../src/train/shard.ts";

/** 8×8 images with one bright bar, lying (0) or standing (1), in noise. */
function bars(count: number, seed: number): TrainingSet {
  const random = mulberry32(seed);
  const pixels = new Uint8Array(count * 64);
  const noise = new Float32Array(pixels.length);
  fillNormal(random, noise);
  const labels = Uint8Array.from({ length: count }, (_, i) => i % 2);
  labels.forEach((label, i) => {
    const at = Math.floor(random() * 8);
    for (let p = 0; p < 64; p++) {
      const on = label === 0 ? p >> 3 === at : p % 8 === at;
      pixels[i * 64 + p] = Math.min(Math.max((on ? 160 : 60) + 25 * noise[i * 64 + p]!, 0), 255);
    }
  });
  return { height: 8, width: 8, pixels, labels, valueScale: 1 / 255 };
}

function smallNetwork(seed = 1): Network {
  const layers = [
    conv("c", { filters: 8, kernel: 3, pad: 1, bias: false, inputGradient: false }),
    batchNorm("n"),
    relu("r", 6),
    conv("c2", { filters: 8, kernel: 3 }),
    relu("r2"),
    globalAveragePool("p"),
    dense("d", 2),
  ];
  return buildNetwork("small", [8, 8, 1], layers, { compute: plainCompute(), maxBatch: 16, seed });
}

async function run(overrides: Partial<LoopOptions> = {}): Promise<{ reports: EpochReport[]; accuracy: number; network: Network }> {
  const set = bars(256, 1);
  const network = smallNetwork();
  const reports: EpochReport[] = [];
  const allocate = (length: number): Float32Array => new Float32Array(length);
  await train(
    network,
    sgd(network.parameters, { momentum: 0.9, weightDecay: 1e-4 }),
    localExecutor(network, shardRunner(network, set, allocate)),
    {
      samples: 256,
      epochs: 3,
      batch: 32,
      shards: 2,
      seed: 2,
      learningRate: cosineSchedule(0.1, 24, 4),
      afterEpoch: (report) => reports.push(report),
      ...overrides,
    },
  );
  return { reports, accuracy: evaluate(network, bars(200, 99), allocate)(), network };
}

const values = (network: Network): number[] => network.parameters.flatMap((p) => Array.from(p.value));

describe("train", () => {
  it("lowers the loss and generalizes", async () => {
    const { reports, accuracy } = await run({ epochs: 5, learningRate: cosineSchedule(0.1, 40, 4) });
    expect(reports.map((r) => r.epoch)).toEqual([1, 2, 3, 4, 5]);
    expect(reports[4]!.loss).toBeLessThan(reports[0]!.loss / 2);
    expect(accuracy).toBeGreaterThan(0.85);
  });

  it("repeats to the bit, and depends on the seed", async () => {
    const [first, second, other] = [await run({ epochs: 1 }), await run({ epochs: 1 }), await run({ epochs: 1, seed: 3 })];
    expect(values(second.network)).toEqual(values(first.network));
    expect(values(other.network)).not.toEqual(values(first.network));
  });

  it("distorts images only for training, the same way each time", async () => {
    const augmentation = { shift: 1, rotation: 5, scale: 0.05 };
    const [first, second, plain] = [
      await run({ epochs: 1, augmentation }),
      await run({ epochs: 1, augmentation }),
      await run({ epochs: 1 }),
    ];
    expect(values(second.network)).toEqual(values(first.network));
    expect(values(plain.network)).not.toEqual(values(first.network));
  });

  it("leaves alone what no step touches: at learning rate 0 only running statistics move", async () => {
    const { network } = await run({ epochs: 1, learningRate: () => 0 });
    const fresh = smallNetwork();
    expect(values(network)).toEqual(values(fresh));
    expect(Array.from(network.states[0]!.value)).not.toEqual(Array.from(fresh.states[0]!.value));
  });

  it("sums shards to the gradient of the whole batch, where no layer looks across samples", () => {
    const layers = [conv("c", { filters: 4, kernel: 3, inputGradient: false }), relu("r"), dense("d", 2)];
    const set = bars(16, 4);
    const gradient = (parts: readonly Int32Array[]): number[] => {
      const network = buildNetwork("n", [8, 8, 1], layers, { compute: plainCompute(), maxBatch: 16, seed: 1 });
      const runner = shardRunner(network, set, (length) => new Float32Array(length));
      const sum = new Array<number>(values(network).length).fill(0);
      for (const samples of parts) {
        runner({ samples, gradientScale: 1 / 16, smoothing: 0, seed: 0 });
        network.parameters.flatMap((p) => Array.from(p.gradient)).forEach((g, i) => (sum[i] = sum[i]! + g));
      }
      return sum;
    };
    const all = Int32Array.from({ length: 16 }, (_, i) => i);
    const whole = gradient([all]);
    gradient([all.slice(0, 5), all.slice(5)]).forEach((g, i) => expect(g).toBeCloseTo(whole[i]!, 5));
  });
});

function single(value: number[], gradient: number[], decay = true): Parameter {
  return {
    name: "p",
    value: Float32Array.from(value),
    gradient: Float32Array.from(gradient),
    shape: [value.length],
    decay,
    prunable: true,
  };
}

describe("optimizers", () => {
  it("sgd: Nesterov momentum with weight decay, by hand", () => {
    const p = single([1], [0.5]);
    const optimizer = sgd([p], { momentum: 0.9, weightDecay: 0.1 });
    // g = 0.5 + 0.1·1 = 0.6; v = 0.6; w = 1 - 0.1·(0.6 + 0.9·0.6) = 0.886
    optimizer.step(0.1);
    expect(p.value[0]).toBeCloseTo(0.886, 6);
    // g = 0.5886; v = 0.9·0.6 + 0.5886 = 1.1286; w = 0.886 - 0.1·(0.5886 + 1.01574) = 0.725566
    optimizer.step(0.1);
    expect(p.value[0]).toBeCloseTo(0.725566, 6);
  });

  it("sgd: no decay for a bias", () => {
    const p = single([1], [0], false);
    sgd([p], { momentum: 0.9, weightDecay: 0.1 }).step(0.1);
    expect(p.value[0]).toBe(1);
  });

  it("adam: the first step is the learning rate against the gradient's sign, decay apart", () => {
    const p = single([1, 1], [0.3, -20]);
    adam([p], { weightDecay: 0.5 }).step(0.01);
    expect(p.value[0]).toBeCloseTo(1 - 0.005 - 0.01, 6);
    expect(p.value[1]).toBeCloseTo(1 - 0.005 + 0.01, 6);
  });

  it("cosine schedule: warm-up, peak, half way, end", () => {
    const rate = cosineSchedule(0.4, 110, 10);
    expect([rate(0), rate(9), rate(10), rate(60), rate(110)].map((r) => Number(r.toFixed(6)))).toEqual([0.04, 0.4, 0.4, 0.2, 0]);
  });
});

describe("1×8 blocks", () => {
  /** [16, 2]: block (o8, k) holds the eight outputs o8·8.. at input k. */
  const fill = (f: (output: number, input: number) => number): Float32Array =>
    Float32Array.from({ length: 32 }, (_, i) => f(i >> 1, i & 1));

  it("prunes the smallest ones whole", () => {
    const w = fill((o, k) => (o < 8 ? 1 : 2) * (k === 0 ? 1 : 3));
    pruneBlocks(w, [16, 2], 0.5);
    expect(w).toEqual(fill((o, k) => (k === 0 ? 0 : (o < 8 ? 1 : 2) * 3)));
  });

  it("counts a short last block by its mean", () => {
    const w = Float32Array.from({ length: 10 }, (_, o) => (o < 8 ? 1 : 2));
    pruneBlocks(w, [10, 1], 0.5);
    expect(Array.from(w)).toEqual([0, 0, 0, 0, 0, 0, 0, 0, 2, 2]);
  });

  it.each([
    [0, 0],
    [1, 4],
  ])("prunes the share %d: %i of 4", (share, zero) => {
    const w = fill((o, k) => 1 + o + k);
    pruneBlocks(w, [16, 2], share);
    expect(zeroBlockShare({ name: "w", value: w, gradient: w, shape: [16, 2], decay: true, prunable: true })).toBe(zero / 4);
  });

  it("shrinks each block's length by the amount, to zero at most", () => {
    const value = fill((_, k) => (k === 0 ? 0.1 : 1));
    const p: Parameter = { name: "w", value, gradient: value.slice(), shape: [16, 2], decay: true, prunable: true };
    // Lengths are 0.1·√8 = 0.283 and √8 = 2.83.
    shrinkBlocks(p, 0.5);
    expect(zeroBlockShare(p)).toBe(0.5);
    expect(p.value[1]).toBeCloseTo(1 - 0.5 / Math.sqrt(8), 6);
  });

  it("shrinks single weights by the amount, to zero at most", () => {
    const value = Float32Array.of(1, -1, 0.25, -0.125, 0);
    const p: Parameter = { name: "w", value, gradient: value.slice(), shape: [5, 1], decay: true, prunable: true };
    shrinkWeights(p, 0.25);
    expect(Array.from(p.value, (w) => w + 0)).toEqual([0.75, -0.75, 0, 0, 0]);
    expect(zeroShare(p)).toBe(0.6);
  });
});

describe("augment", () => {
  const image = Uint8Array.from({ length: 25 }, (_, i) => i * 10);
  const still = { shift: 0, rotation: 0, scale: 0 };

  it("changes nothing with all bounds at zero", () => {
    const target = new Float32Array(25);
    augment(image, 0, 5, 5, target, 0, 1, still, mulberry32(1));
    expect(Array.from(target)).toEqual(Array.from(image));
  });

  it("shifts by what was drawn, filling with zero", () => {
    // Draws: angle, two scales, shift x, shift y; the largest number below 1 gives the upper bound, 0.5 none.
    const draws = [0.5, 0.5, 0.5, 1 - 2 ** -32, 0.5];
    const target = new Float32Array(25);
    augment(image, 0, 5, 5, target, 0, 1, { ...still, shift: 1 }, () => draws.shift() ?? 0);
    for (let y = 0; y < 5; y++) {
      for (let x = 0; x < 5; x++) expect(target[y * 5 + x]).toBeCloseTo(x === 0 ? 0 : image[y * 5 + x - 1]!, 3);
    }
  });

  it("turns a square image by 90° exactly", () => {
    const draws = [1, 0.5, 0.5, 0.5, 0.5];
    const target = new Float32Array(25);
    augment(image, 0, 5, 5, target, 0, 1, { ...still, rotation: 90 }, () => draws.shift() ?? 0);
    for (let y = 0; y < 5; y++) for (let x = 0; x < 5; x++) expect(target[y * 5 + x]).toBeCloseTo(image[(4 - x) * 5 + y]!, 3);
  });
});
