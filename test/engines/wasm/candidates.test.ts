/** Which of several kernels a layer gets: by estimate, by option, by choice; on candidates made up for it. */
import { describe, expect, it } from "vitest";
import { UsageError } from "../../../src/errors.ts";
import type { Feature } from "../../../src/engines/wasm/features.ts";
import { LinearMemory } from "../../../src/engines/wasm/memory.ts";
import { candidateList, checkForced, parseForced } from "../../../src/engines/candidates.ts";
import { planBest } from "../../../src/engines/wasm/plan/candidates.ts";
import type { Candidate } from "../../../src/engines/wasm/plan/candidates.ts";
import { PlanContext } from "../../../src/engines/wasm/program.ts";
import type { NodePlan, Selection } from "../../../src/engines/wasm/program.ts";
import type { Graph } from "../../../src/graph/ir.ts";

const NO_GRAPH: Graph = { name: "none", inputs: [], outputs: [], tensors: new Map(), nodes: [] };
const NODE = "conv1";

interface Made {
  readonly cost: number | undefined;
  readonly sparse?: boolean;
  readonly requires?: readonly Feature[];
}

/** The problem is a number that candidates ignore. */
function candidate(kernel: string, { cost, sparse = false, requires = [] }: Made): Candidate<number> {
  return {
    kernel,
    sparse,
    requires,
    estimate: () => (cost === undefined ? undefined : { cost, why: `${kernel} costs ${cost}` }),
    plan: () => ({ kernel, calls: () => [] }),
  };
}

const LIST = [
  candidate("dense", { cost: 1 }),
  candidate("equal", { cost: 1 }),
  candidate("wide", { cost: 0.8, requires: ["relaxed-madd"] }),
  candidate("misfit", { cost: undefined }),
  candidate("blocks", { cost: 1.3, sparse: true }),
  candidate("single", { cost: 1.9, sparse: true }),
];

function plan(
  selection: Partial<Selection>,
  list: readonly Candidate<number>[] = LIST,
): { readonly plan: NodePlan | undefined; readonly alternatives: readonly string[] | undefined } {
  const all: Selection = { features: new Set(), simd: true, sparse: "auto", coded: "auto", chosen: new Map(), ...selection };
  const context = new PlanContext(NO_GRAPH, new LinearMemory(), 0, new Map(), all, 1);
  const chosen = planBest(context, list, 0, NODE);
  return { plan: chosen, alternatives: context.alternatives.get(NODE) };
}

const choose = (kernel: string): Partial<Selection> => ({ chosen: new Map([[NODE, { kernel, why: "tuned: 2× faster" }]]) });

describe("planBest", () => {
  it("takes the cheapest, of equals the first, and notes the others in order", () => {
    const { plan: best, alternatives } = plan({});
    expect(best).toMatchObject({ kernel: "dense", why: expect.stringContaining("dense costs 1") as string });
    expect(alternatives).toEqual(["dense", "equal", "blocks", "single"]);
  });

  it("takes what needs a feature only where it is there", () => {
    expect(plan({ features: new Set<Feature>(["relaxed-madd"]) }).plan?.kernel).toBe("wide");
  });

  it("skips zeros wherever it can when told so, paying or not", () => {
    const { plan: best, alternatives } = plan({ sparse: "on" });
    expect(best?.kernel).toBe("blocks");
    expect(alternatives).toEqual(["blocks", "single"]);
  });

  it("is dense when told to skip zeros and nothing can", () => {
    expect(plan({ sparse: "on" }, LIST.slice(0, 2)).plan?.kernel).toBe("dense");
  });

  it("never skips zeros when told not to", () => {
    const list = [candidate("dense", { cost: 1 }), candidate("blocks", { cost: 0.2, sparse: true })];
    expect(plan({}, list).plan?.kernel).toBe("blocks");
    expect(plan({ sparse: "off" }, list)).toEqual({
      plan: expect.objectContaining({ kernel: "dense" }) as NodePlan,
      alternatives: undefined,
    });
  });

  it("takes the chosen kernel, with the estimate's reason and the choice's", () => {
    expect(plan(choose("single")).plan).toMatchObject({
      kernel: "single",
      why: expect.stringMatching(/single costs 1\.9.*; tuned: 2× faster$/) as string,
    });
  });

  it("leaves other nodes alone", () => {
    expect(plan({ chosen: new Map([["conv2", { kernel: "single", why: "" }]]) }).plan?.kernel).toBe("dense");
  });

  it.each(["unheard-of", "misfit", "wide"])("refuses the choice of %s, naming node, kernel and what there is", (kernel) => {
    expect(() => plan(choose(kernel))).toThrow(UsageError);
    expect(() => plan(choose(kernel))).toThrow(
      `node "conv1": kernel ${kernel} cannot execute it, expected one of dense, equal, blocks, single`,
    );
  });

  it("refuses a sparse choice under sparse=off", () => {
    expect(() => plan({ ...choose("blocks"), sparse: "off" })).toThrow(/cannot execute it/);
  });

  it("has no plan where nothing applies", () => {
    expect(plan({}, [candidate("misfit", { cost: undefined })])).toEqual({ plan: undefined, alternatives: undefined });
  });

  it("does not let a list name a kernel twice", () => {
    expect(() => candidateList([candidate("a", { cost: 1 }), candidate("a", { cost: 2 })])).toThrow(/two candidates with the same kernel/);
  });

  it("runs with a forced kernel wherever it can execute, whatever estimates and tuner say, and offers no other then", () => {
    const forced = plan({ ...choose("equal"), forced: ["single"], sparse: "off" });
    expect(forced.plan).toMatchObject({ kernel: "single", why: expect.stringMatching(/; forced$/) as string });
    expect(forced.alternatives).toBeUndefined();
    expect(plan({ forced: ["misfit", "blocks", "dense"] }).plan?.kernel).toBe("blocks");
    // Of a feature that the host lacks, or unknown here: the others are chosen from as ever.
    expect(plan({ forced: ["wide", "nothing"] }).plan?.kernel).toBe("dense");
  });
});

describe("checkForced", () => {
  it("refuses a graph in which no layer got the kernel, and a list with a hole in it", () => {
    expect(() => checkForced("wasm", undefined, [])).not.toThrow();
    expect(() => checkForced("wasm", "a+b", ["b", "a", "c"])).not.toThrow();
    expect(() => checkForced("wasm", "a+b", ["a", "c", "c"])).toThrow(
      "target wasm: option kernel, no layer of this model can run b here, its layers run a, c",
    );
    expect(() => parseForced("wasm", "a+")).toThrow(UsageError);
    expect(parseForced("wasm", "a+b")).toEqual(["a", "b"]);
  });
});
