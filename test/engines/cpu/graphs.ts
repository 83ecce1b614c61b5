/** Small graphs that the tests of the CPU engine share. */
import type { EngineContext } from "../../../src/engines/engine.ts";
import { GraphBuilder } from "../../../src/graph/builder.ts";
import type { Graph } from "../../../src/graph/ir.ts";

/** A host without files, with a clock that counts its readings. */
export const context: EngineContext = {
  readAsset: () => Promise.reject(new Error("the cpu engine reads no files")),
  now: (() => {
    let ticks = 0;
    return () => ticks++;
  })(),
};

/** x [1,2,2,1] × 3, as [4], plus the constant 1…4; outputs the sum and the product. */
export function floatConv(): Graph {
  const b = new GraphBuilder("small");
  const x = b.input("x", "float32", [1, 2, 2, 1]);
  const w = b.constant("w", "float32", [1, 1, 1, 1], Float32Array.of(3));
  const attrs = { strides: [1, 1], dilations: [1, 1], pads: [0, 0, 0, 0], groups: 1 } as const;
  const y = b.add("Conv2D", "conv", [x, w], attrs);
  const flat = b.add("Reshape", "flat", [y], {}, { shape: [4] });
  const square = b.constant("square", "float32", [2, 2], Float32Array.of(1, 2, 3, 4));
  const c = b.add("Reshape", "line", [square], {}, { shape: [4] });
  const sum = b.add("Binary", "sum", [flat, c], { fn: "add" });
  return b.finish([sum, flat]);
}
