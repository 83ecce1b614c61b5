/** The generated nets have the size that their papers and MLPerf Tiny state. */
import { describe, expect, it } from "vitest";
import { graphStats } from "../../../src/compress/stats.ts";
import { validateGraph } from "../../../src/graph/validate.ts";
import { dsCnn, gemm, mobilenetV1, mobilenetV2, resnet8 } from "../../../tools/peers/architectures.ts";

describe("architectures", () => {
  it.each([
    // MLPerf Tiny's own files have these counts.
    ["ResNet-8", resnet8, 12_501_632, 77_706],
    ["DS-CNN", dsCnn, 2_656_768, 22_604],
  ] as const)("%s counts as the published file", (_, build, macs, params) => {
    const { totals } = graphStats(build());
    expect(totals.macs).toBe(macs);
    expect(totals.params).toBe(params);
  });

  it.each([
    ["MobileNet V1 0.25 at 96", mobilenetV1, 7.5e6, 0.21e6],
    ["MobileNet V2 at 224", mobilenetV2, 300e6, 3.5e6],
  ] as const)("%s has the published size", (_, build, macs, params) => {
    const graph = build();
    validateGraph(graph);
    const { totals } = graphStats(graph);
    expect(Math.abs(totals.macs / macs - 1)).toBeLessThan(0.02);
    expect(Math.abs(totals.params / params - 1)).toBeLessThan(0.05);
  });

  it("repeats its weights", () => {
    const weights = (): unknown => gemm(3, 5, 7).tensors.get("b0")?.data;
    expect(weights()).toEqual(weights());
  });

  it("chains products of different weights", () => {
    const graph = gemm(3, 5, 5, 4);
    expect(graphStats(graph).totals.macs).toBe(4 * 3 * 5 * 5);
    expect(graph.tensors.get("b0")?.data).not.toEqual(graph.tensors.get("b1")?.data);
  });
});
