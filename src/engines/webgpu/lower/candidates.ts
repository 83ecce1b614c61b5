/** A candidate of the WebGPU engine: a kernel of shaders/, what it needs of the device, and its dispatches. How one is chosen: ../../candidates.ts. */
import { DeviceLimitError, invariant } from "../../../errors.ts";
import type { WeightCode } from "../../../graph/ir.ts";
import { chooseCandidate } from "../../candidates.ts";
import type { Choosable, Estimate } from "../../candidates.ts";
import type { DeviceFacts, DeviceLimits } from "../device.ts";
import type { Lowering } from "./context.ts";

/** Names of `DeviceFacts` that a device may lack. */
export type DeviceFeature = "dot4" | "f16" | "subgroups";

/** What one workgroup takes. */
export interface Workgroup {
  readonly invocations: number;
  /** Bytes of `var<workgroup>`. */
  readonly storageBytes: number;
}

export interface Candidate<P> extends Choosable {
  /** Row of the WGSL catalogue; its dispatch may have others beside it. */
  readonly kernel: string;
  readonly requires: readonly DeviceFeature[];
  /** Absent: no workgroup memory, and no more threads than every device has. */
  readonly workgroup?: Workgroup;
  /** `tiled`: workgroup memory; `split`: k over threads or workgroups; `direct`: registers only. `gemm` chooses by this. */
  readonly algorithm?: "tiled" | "split" | "direct";
  /** The built-in dot product of four bytes, or its twin. `dot4` chooses by this. */
  readonly dot4?: "native" | "unpack";
  /**
   * @param facts of the device, all of `requires` among them
   * @returns undefined when it cannot execute the problem
   */
  estimate(problem: P, facts: DeviceFacts): Estimate | undefined;
  lower(c: Lowering, problem: P): void;
}

/**
 * Lowers the current node with the cheapest candidate that applies, or the one that a choice names.
 * @param code of the weights, which the record mentions where no candidate runs from it
 * @throws DeviceLimitError when only the device's limits stand in the way, UnsupportedError when nothing applies,
 *   UsageError for a choice that cannot be
 */
export function lowerBest<P>(c: Lowering, candidates: readonly Candidate<P>[], problem: P, code?: WeightCode): void {
  const { facts, options } = c;
  if (options.dot4 === "native" && !facts.dot4 && candidates.some(({ dot4 }) => dot4 === "native")) {
    throw c.unsupported("dot4=native, but the device's WGSL lacks packed_4x8_integer_dot_product", "Use dot4=unpack.");
  }
  const estimates = new Map<Candidate<P>, Estimate | undefined>();
  const estimate = (candidate: Candidate<P>): Estimate | undefined => {
    if (!estimates.has(candidate)) estimates.set(candidate, candidate.estimate(problem, facts));
    return estimates.get(candidate);
  };
  const able = candidates.filter(({ requires }) => requires.every((feature) => facts[feature]));
  const fitting = able.filter(({ workgroup }) => fits(workgroup, facts.limits));
  const wanted = byOptions(c, fitting, (candidate) => estimate(candidate) !== undefined);
  const { best, why, kernels } = chooseCandidate(c.policy, wanted, estimate, c.nodeName, code);
  if (best === undefined) {
    const [large] = able.filter((candidate) => !fitting.includes(candidate) && estimate(candidate) !== undefined);
    throw large === undefined ? c.unsupported("no kernel for this layer", "Use the cpu target.") : beyondLimits(c, large);
  }
  c.noteChoice(best.kernel, why, kernels);
  best.lower(c, problem);
  invariant(c.dispatched(best.kernel), `candidate ${best.kernel} dispatched other kernels only`);
}

function fits(workgroup: Workgroup | undefined, limits: DeviceLimits): boolean {
  return (
    workgroup === undefined ||
    (workgroup.invocations <= limits.maxComputeInvocationsPerWorkgroup && workgroup.storageBytes <= limits.maxComputeWorkgroupStorageSize)
  );
}

/** Where an option names a way, dense kernels of other ways are out, if one of that way applies. */
function byOptions<P>(
  { options }: Lowering,
  candidates: readonly Candidate<P>[],
  applies: (candidate: Candidate<P>) => boolean,
): readonly Candidate<P>[] {
  const { gemm, dot4 } = options;
  let left = candidates;
  if (gemm !== "auto" && left.some((candidate) => candidate.algorithm === gemm && applies(candidate)))
    left = left.filter(({ algorithm }) => algorithm === undefined || algorithm === gemm);
  if (dot4 !== "auto" && left.some((candidate) => candidate.dot4 === dot4 && applies(candidate)))
    left = left.filter((candidate) => candidate.dot4 === undefined || candidate.dot4 === dot4);
  return left;
}

function beyondLimits<P>(c: Lowering, { kernel, workgroup }: Candidate<P>): DeviceLimitError {
  const { maxComputeInvocationsPerWorkgroup: threads, maxComputeWorkgroupStorageSize: bytes } = c.facts.limits;
  const { invocations = 0, storageBytes = 0 } = workgroup ?? {};
  return new DeviceLimitError(
    `${c.where} on webgpu: no kernel fits the device, got ${invocations} threads and ${storageBytes} bytes a workgroup for ${kernel}, ` +
      `expected at most ${threads} threads (maxComputeInvocationsPerWorkgroup) and ${bytes} bytes (maxComputeWorkgroupStorageSize)`,
    "use gemm=auto and sparse=auto, a browser or driver that offers higher limits, or another target",
  );
}
