/** Where a run took place: what makes two results comparable. */
import { availableParallelism, cpus, release, totalmem } from "node:os";
import type { ProbeResult } from "../engines/engine.ts";
import { CHILD_FLAGS } from "../hosts/node.ts";
import type { Environment } from "../results/schema.ts";

/** @param probes target text → what its engine's probe said */
export function readEnvironment(probes: ReadonlyMap<string, ProbeResult>): Environment {
  const engines: Record<string, NonNullable<Environment["engines"]>[string]> = {};
  for (const [target, { available, software, facts }] of probes) {
    engines[target] = { available, ...(software === undefined ? {} : { software }), facts };
  }
  return {
    node: process.version,
    v8: process.versions.v8,
    platform: process.platform,
    arch: process.arch,
    osRelease: release(),
    cpuModel: cpus()[0]?.model.trim() ?? "unknown",
    cpuCount: availableParallelism(),
    memoryBytes: totalmem(),
    engines,
    nodeFlags: [...CHILD_FLAGS, process.env["NODE_OPTIONS"] ?? ""].join(" ").trim(),
  };
}
