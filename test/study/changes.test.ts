/** The words of a sensitivity study, and how recipes name layers. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseRecipe } from "../../src/compress/recipe.ts";
import { matchesAny } from "../../src/compress/patterns.ts";
import { UsageError } from "../../src/errors.ts";
import { CHANGE_KINDS, kindOf, parseChange, parseKinds, patternOf, stepOn, stepsOf } from "../../src/study/changes.ts";

describe("changes", () => {
  it("are steps of the kind they stand for", () => {
    for (const kind of CHANGE_KINDS) {
      for (const step of stepsOf([kind])) {
        expect(parseChange(step, "--change")).toBe(step);
        expect(kindOf(parseRecipe(step).steps[0]!)).toBe(kind);
      }
    }
    expect(parseKinds("bits, channels")).toEqual(["bits", "channels"]);
  });

  it.each([
    ["int8+prune:0.5", /int8 .*cannot follow|prune edits float weights/],
    ["prune:0.5+int8", /--change prune:0.5\+int8: got 2 steps, expected one/],
    ["fp32", /fp32 changes nothing/],
    ["prune:0.5,only=a", /names layers, expected a step without only, include and exclude/],
    ["prune:0.5,include=a", /names layers/],
    ["int8,exclude=a", /names layers/],
    ["int9", /unknown step/],
  ])("rejects %s", (text, message) => {
    expect(() => parseChange(text, "--change")).toThrow(UsageError);
    expect(() => parseChange(text, "--change")).toThrow(message);
  });

  it("rejects unknown kinds", () => {
    expect(() => parseKinds("bits,speed")).toThrow('--what bits,speed: got "speed", expected kinds of bits, sparsity, clusters, channels');
  });
});

describe("patternOf", () => {
  it("stands for what recipes reserve", () => {
    expect(patternOf("conv1", ["conv1", "conv2"])).toBe("conv1");
    expect(patternOf("a,b+c|d", ["a,b+c|d", "ab"])).toBe("a*b*c*d");
    expect(() => patternOf("a,b", ["a,b", "axb"])).toThrow(/recipes cannot tell it from "axb"/);
  });

  it("names its layer and no other, and survives a recipe's text", () => {
    const name = fc.string({
      minLength: 1,
      maxLength: 8,
      unit: fc.constantFrom("a", "b", "i", "/", "\\", "^", ".", ",", "+", "|", "*", " ", "=", ":"),
    });
    fc.assert(
      fc.property(fc.uniqueArray(name, { minLength: 1, maxLength: 5 }), (names) => {
        for (const layer of names) {
          let pattern: string;
          try {
            pattern = patternOf(layer, names);
          } catch {
            continue;
          }
          const [step] = parseRecipe(stepOn("prune:0.5", [pattern])).steps;
          const only = step !== undefined && step.kind !== "fp32" ? step.only : undefined;
          expect(names.filter((other) => matchesAny(other, only ?? []))).toEqual([layer]);
        }
      }),
      { seed: 4, numRuns: 300 },
    );
  });
});
