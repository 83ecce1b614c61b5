/** From layers to a file that another runtime runs: untrained nets exactly, trained ones by their accuracy on real images. */
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import * as ort from "onnxruntime-node";
import { describe, expect, it } from "vitest";
import { readDataset, resolveDataset } from "../../src/data/index.ts";
import { mulberry32 } from "../../src/data/random.ts";
import { exportOnnx } from "../../src/formats/onnx/export.ts";
import { validateGraph } from "../../src/graph/validate.ts";
import { plainCompute } from "../../src/train/compute-plain.ts";
import { buildNetwork } from "../../src/train/network.ts";
import { networkToGraph } from "../../src/train/to-graph.ts";
import { ARCHITECTURES } from "../../tools/zoo-architectures.ts";

async function openModel(bytes: Uint8Array): Promise<(pixels: Float32Array) => Promise<Float32Array>> {
  const session = await ort.InferenceSession.create(bytes, { intraOpNumThreads: 1, executionProviders: ["cpu"] });
  expect(session.inputNames).toEqual(["input"]);
  expect(session.outputNames).toEqual(["logits"]);
  return async (pixels) => {
    const { logits } = await session.run({ input: new ort.Tensor("float32", pixels, [1, 1, 28, 28]) });
    expect(logits!.dims).toEqual([1, 10]);
    return logits!.data as Float32Array;
  };
}

describe.each(ARCHITECTURES)("$name", ({ name, layers, accuracy }) => {
  it("computes the same in training code and in an exported file", async () => {
    const compute = plainCompute();
    const network = buildNetwork(name, [28, 28, 1], layers, { compute, maxBatch: 1, seed: 9 });
    const random = mulberry32(4);
    // Statistics and shifts that are not the neutral initial ones.
    for (const array of [...network.states, ...network.parameters.filter((p) => !p.decay)])
      array.value.forEach((_, i) => (array.value[i] = 0.5 + random()));
    const graph = networkToGraph(network);
    validateGraph(graph);
    const infer = await openModel(exportOnnx(graph));
    const image = Float32Array.from({ length: 784 }, random);
    const expected = network.forward(image.slice(), 1, false).slice();
    const got = await infer(image);
    const size = Math.max(...expected.map(Math.abs));
    got.forEach((value, i) => expect(Math.abs(value - expected[i]!) / size).toBeLessThan(1e-5));
  });

  it("reaches its accuracy from the checked-in file", async () => {
    const path = fileURLToPath(new URL(`../../suites/models/${name}.onnx`, import.meta.url));
    expect(existsSync(path)).toBe(true);
    const infer = await openModel(readFileSync(path));
    const dataset = readDataset(await resolveDataset("mnist", "test"));
    const count = 2000;
    let correct = 0;
    // Every fifth of 10,000: the second half of MNIST's test set is easier than the first.
    for (let i = 0; i < count; i++) {
      const logits = await infer(dataset.sample(i * 5) as Float32Array);
      if (logits.indexOf(Math.max(...logits)) === dataset.labels[i * 5]) correct++;
    }
    expect(correct / count).toBeGreaterThanOrEqual(accuracy);
  });
});
