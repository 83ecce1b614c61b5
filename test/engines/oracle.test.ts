/** The golden vectors, written by hand, and the oracle must agree; and the comparison of both with an engine must be able to fail. */
import { describe, expect, it } from "vitest";
import { compareOutputs } from "../../src/engines/tolerance.ts";
import { ENGINE_OPS } from "../naive/index.ts";
import { loadVectors, oracle, prepareCase } from "./vectors.ts";

const vectors = loadVectors();

describe("golden vectors", () => {
  it("cover every op", () => {
    expect(new Set(vectors.map((v) => v.op))).toEqual(new Set(ENGINE_OPS));
  });

  it("have unique titles", () => {
    const titles = vectors.map((v) => `${v.op}: ${v.name}`);
    expect(new Set(titles).size).toBe(titles.length);
  });

  for (const vector of vectors) {
    it(`agree with the oracle: ${vector.op}: ${vector.name}`, () => {
      const { expected, tolerance } = prepareCase(vector);
      const comparison = compareOutputs([expected], [oracle(vector)], tolerance);
      expect(comparison.pass, comparison.message).toBe(true);
    });
  }
});
