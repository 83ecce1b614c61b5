/** A model file and datasets small enough for a test, in a folder of their own. */
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { exportOnnx } from "../../src/formats/onnx/export.ts";
import { GraphBuilder } from "../../src/graph/builder.ts";
import type { Graph } from "../../src/graph/ir.ts";

export interface Fixture {
  readonly folder: string;
  /** `net.onnx`: [1, 16] floats → 3 scores. */
  readonly model: string;
  /** Header of 120 samples with a `calibration` of its own. */
  readonly dataset: string;
}

/** A net whose first layer copies the input, so that class c has its largest value at positions 4c to 4c+3. */
function net(): Graph {
  const builder = new GraphBuilder("net");
  const x = builder.input("x", "float32", [1, 16]);
  const w1 = builder.constant(
    "w1",
    "float32",
    [16, 16],
    Float32Array.from({ length: 256 }, (_, i) => (i % 17 === 0 ? 1 : ((i * 7) % 11) / 500)),
  );
  const h = builder.add("Dense", "hidden", [x, w1], { activation: { kind: "clamp", min: 0, max: Infinity } });
  const w2 = builder.constant(
    "w2",
    "float32",
    [3, 16],
    Float32Array.from({ length: 48 }, (_, i) => (Math.floor((i % 16) / 4) === Math.floor(i / 16) ? 1 : -0.1)),
  );
  return builder.finish([builder.add("Dense", "scores", [h, w2], {})]);
}

function writeDataset(folder: string, name: string, count: number, extra: Record<string, unknown>): string {
  const data = new Float32Array(count * 16);
  const labels: number[] = [];
  for (let s = 0; s < count; s++) {
    const label = s % 3;
    // Every tenth label is wrong, so that accuracy is not 1.
    labels.push(s % 10 === 9 ? (label + 1) % 3 : label);
    for (let i = 0; i < 16; i++) data[s * 16 + i] = ((s * 31 + i * 17) % 23) / 46 + (Math.floor(i / 4) === label ? 0.8 : 0);
  }
  writeFileSync(join(folder, `${name}.bin`), new Uint8Array(data.buffer));
  const header = {
    name,
    task: "classification",
    input: { dtype: "float32", shape: [16] },
    data: `${name}.bin`,
    labels,
    classes: 3,
    ...extra,
  };
  const path = join(folder, `${name}.json`);
  writeFileSync(path, JSON.stringify(header));
  return path;
}

export function makeFixture(): Fixture {
  const folder = mkdtempSync(join(tmpdir(), "slimbench-test-"));
  const model = join(folder, "net.onnx");
  writeFileSync(model, exportOnnx(net()));
  writeDataset(folder, "train", 60, {});
  return { folder, model, dataset: writeDataset(folder, "blocks", 120, { calibration: "train.json" }) };
}
