/**
 * Several kernels can execute one layer; which is fastest depends on the weights, the shape and the machine. Each is a candidate that
 * estimates its own time, so that adding a kernel adds a file and a line in a list, and no lowering asks for kernels by name. This is
 * what engines share: how one of those that apply is chosen, and how the record says why.
 */
import { UsageError, invariant } from "../errors.ts";
import { codeText } from "../graph/code.ts";
import type { WeightCode } from "../graph/ir.ts";
import type { KernelChoice } from "./tune/types.ts";

export interface Estimate {
  /** Expected time relative to the engine's plain dense tile on the same problem, which is 1. */
  readonly cost: number;
  /** One clause for the record, e.g. "dense weights"; of a candidate that skips zeros, derived from `skips`. */
  readonly why: string;
  readonly skips?: Skips;
}

/** How the cost of a candidate that skips zeros depends on them: fixed + perLive × (1 - zeros). */
export interface Skips {
  /** Share of `units` that are zero. */
  readonly zeros: number;
  /** What it can skip, e.g. "1×8 blocks". */
  readonly units: string;
  /** E.g. "1×8" or "unstructured". */
  readonly name: string;
  readonly fixed: number;
  readonly perLive: number;
}

/** What the choice looks at besides the estimate. */
export interface Choosable {
  readonly kernel: string;
  /** Whether it skips zeros: `sparse=on` and `sparse=off` choose by this. */
  readonly sparse: boolean;
  /** Whether it keeps only a compact code of the weights: `coded` chooses by this. */
  readonly coded?: boolean;
}

/** What the target's options and the tuner say. */
export interface Policy {
  /** `auto`: by estimate. `on`: a kernel that skips zeros wherever one applies, even where it does not pay. `off`: never one. */
  readonly sparse: "auto" | "on" | "off";
  /** `auto`: weights with a compact code stay in it unless that takes much longer. `on`: wherever a kernel can. `off`: they are expanded. */
  readonly coded: "auto" | "on" | "off";
  /** Node name → kernel: what a tuner measured to be fastest, or the one to force. */
  readonly chosen: ReadonlyMap<string, Pick<KernelChoice, "kernel" | "why">>;
  /** Kernels that every layer runs with that they can execute, whatever else says what; of several, the earlier in the list. */
  readonly forced?: readonly string[];
}

/** The target option `kernel=NAME`, or `kernel=NAME+NAME`. */
export const KERNEL_OPTION = "kernel";

/** @param target for messages @throws UsageError for an empty name */
export function parseForced(target: string, value: string | undefined): readonly string[] {
  const names = value === undefined ? [] : value.split("+");
  if (names.some((name) => !/^\w+$/.test(name))) {
    throw new UsageError(
      `target ${target}: option ${KERNEL_OPTION}, got "${value ?? ""}", expected names of kernels joined by +, such as f32_gemm_packed_4x8__wasm_simd`,
      "A record's placement shows them",
    );
  }
  return names;
}

/**
 * Of a compiled graph: that every kernel which was asked for got a layer.
 * @param kernels that run it
 * @throws UsageError
 */
export function checkForced(target: string, value: string | undefined, kernels: readonly string[]): void {
  const missing = parseForced(target, value).filter((name) => !kernels.includes(name));
  if (missing.length === 0) return;
  throw new UsageError(
    `target ${target}: option ${KERNEL_OPTION}, no layer of this model can run ${missing.join(", ")} here, its layers run ${[...new Set(kernels)].join(", ")}`,
    "See src/kernels for what there is, and the target's probe for the features that it may need",
  );
}

export interface Choice<C extends Choosable> {
  /** Undefined when none applies. */
  readonly best: C | undefined;
  readonly why: string;
  /** Kernels that could execute it, the cheapest first. */
  readonly kernels: readonly string[];
}

/**
 * The cheapest candidate that applies, or the one that the policy names.
 * @param estimate undefined for a candidate that cannot execute the problem here
 * @param code of the weights, so that the record says of it where no candidate runs from it
 * @throws UsageError when the kernel chosen for this node cannot execute it
 */
export function chooseCandidate<C extends Choosable>(
  { sparse, coded, chosen, forced = [] }: Policy,
  candidates: readonly C[],
  estimate: (candidate: C) => Estimate | undefined,
  node: string,
  code?: WeightCode,
): Choice<C> {
  for (const kernel of forced) {
    const candidate = candidates.find((other) => other.kernel === kernel);
    const own = candidate === undefined ? undefined : estimate(candidate);
    if (candidate !== undefined && own !== undefined) return { best: candidate, why: `${forcedText(own)}; forced`, kernels: [kernel] };
  }
  const applicable: Applicable<C>[] = [];
  for (const candidate of candidates) {
    if (candidate.sparse && sparse === "off") continue;
    if (candidate.coded === true && coded === "off") continue;
    const own = estimate(candidate);
    // Without zeros there is nothing to race about.
    if (own === undefined || (own.skips?.zeros === 0 && sparse === "auto")) continue;
    applicable.push({ candidate, estimate: own });
  }
  const forceSparse = sparse === "on" && applicable.some(({ candidate }) => candidate.sparse);
  const open = forceSparse ? applicable.filter(({ candidate }) => candidate.sparse) : preferCoded(applicable, coded);
  // The sort is stable: of equals, the earlier in the list.
  open.sort((a, b) => a.estimate.cost - b.estimate.cost);
  const kernels = open.map(({ candidate }) => candidate.kernel);
  const told = chosen.get(node);
  const best = told === undefined ? open[0] : open.find(({ candidate }) => candidate.kernel === told.kernel);
  if (best === undefined) {
    if (told === undefined) return { best, why: "", kernels };
    throw new UsageError(`node "${node}": kernel ${told.kernel} cannot execute it, expected one of ${kernels.join(", ")}`);
  }
  const keepsNone = code !== undefined && coded !== "off" && applicable.every(({ candidate }) => candidate.coded !== true);
  const expanded = keepsNone ? `; ${noKernelText(code)}` : expandedText(best, applicable);
  const why = best.candidate.coded === true ? codedText(best, applicable) : reason(best, applicable) + expanded;
  return { best: best.candidate, why: told === undefined ? why : `${why}; ${told.why}`, kernels };
}

function forcedText({ why, skips }: Estimate): string {
  return skips === undefined ? why : zerosText(skips);
}

interface Applicable<C extends Choosable> {
  readonly candidate: C;
  readonly estimate: Estimate;
}

/**
 * A compact code is there to save memory, so it is kept unless that costs too much: expanded weights only where the fastest kernel on them
 * takes less than 1 / CODED_LIMIT of the time. A tuner then chooses among what is left.
 */
const CODED_LIMIT = 3;

function preferCoded<C extends Choosable>(applicable: readonly Applicable<C>[], coded: "auto" | "on" | "off"): Applicable<C>[] {
  const kept = applicable.filter(({ candidate }) => candidate.coded === true);
  const least = (list: readonly Applicable<C>[]): number => Math.min(...list.map(({ estimate }) => estimate.cost));
  return kept.length > 0 && (coded === "on" || least(kept) <= CODED_LIMIT * least(applicable)) ? kept : [...applicable];
}

/** What is kept, and what the small size costs where that is noticeable. */
function codedText<C extends Choosable>({ estimate }: Applicable<C>, applicable: readonly Applicable<C>[]): string {
  return keptCodeText(estimate.why, estimate.cost / Math.min(...applicable.map((other) => other.estimate.cost)));
}

/** Ratio of times from which the record mentions what a code costs. */
const NOTICEABLE = 1.1;

/**
 * Of a layer that keeps its code.
 * @param what the code
 * @param ratio of its time to that of expanded weights
 */
export function keptCodeText(what: string, ratio: number): string {
  return ratio < NOTICEABLE ? what : `${what}; expanded they would run ${ratio.toFixed(1)} times as fast`;
}

/** Of a layer whose code is expanded: behind what runs instead. */
export function slowerCodeText(what: string, ratio: number): string {
  return `; its code (${what}) would take ${ratio.toFixed(1)} times as long`;
}

/** Of a layer whose code is expanded, whatever that costs. */
export function noKernelText(code: WeightCode): string {
  return `no kernel of this layer runs from its code (${codeText(code)})`;
}

/** Why a layer that has a compact code is expanded nevertheless. */
function expandedText<C extends Choosable>({ candidate, estimate }: Applicable<C>, applicable: readonly Applicable<C>[]): string {
  const kept = applicable.find((other) => other.candidate.coded === true);
  if (kept === undefined || candidate.coded === true) return "";
  return slowerCodeText(kept.estimate.why, kept.estimate.cost / estimate.cost);
}

/** Share of zeros from which a record says why they are not skipped: fewer are chance. */
const NOTABLE_ZEROS = 0.05;

function reason<C extends Choosable>({ estimate }: Applicable<C>, applicable: readonly Applicable<C>[]): string {
  const dense = applicable.filter(({ candidate }) => !candidate.sparse).map((other) => other.estimate.cost);
  const denseCost = Math.min(1, ...dense);
  if (estimate.skips !== undefined) return `${zerosText(estimate.skips)}; ${breakEvenText(estimate.skips, denseCost)}`;
  const [nearest] = applicable
    .filter((other) => (other.estimate.skips?.zeros ?? 0) >= NOTABLE_ZEROS)
    .sort((a, b) => a.estimate.cost - b.estimate.cost);
  const skips = nearest?.estimate.skips;
  if (skips === undefined) return estimate.why;
  return `${zerosText(skips)}; ${skips.name} ${breakEvenText(skips, estimate.cost)}; ${estimate.why.replace("dense weights", "dense kernel")}`;
}

function zerosText({ zeros, units }: Skips): string {
  return `${percent(zeros)} of its ${units} are zero`;
}

/** The share of zeros at which fixed + perLive × (1 - zeros) is the dense cost. */
function breakEvenText({ fixed, perLive }: Skips, denseCost: number): string {
  const zeros = 1 - (denseCost - fixed) / perLive;
  if (zeros >= 1) return "does not pay at this size";
  return zeros <= 0 ? "pays at any share" : `pays from ${percent(zeros)}`;
}

/** Candidates by kernel, checked for repeats: a list with two of the same name could not be tuned. */
export function candidateList<C extends Choosable>(candidates: readonly C[]): readonly C[] {
  invariant(new Set(candidates.map(({ kernel }) => kernel)).size === candidates.length, "two candidates with the same kernel");
  return candidates;
}

function percent(share: number): string {
  return `${(100 * share).toFixed(0)} %`;
}
