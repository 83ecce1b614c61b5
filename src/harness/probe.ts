/** Asks each target, once and in a child of its own, whether it can run here. A driver that crashes takes only that child along. */
import type { ProbeResult } from "../engines/engine.ts";
import { ENGINE_NAMES } from "../engines/registry.ts";
import { SlimbenchError } from "../errors.ts";
import { gpuEnvironment } from "../hosts/gpu.ts";
import { NodeHost } from "../hosts/node.ts";
import { HostError } from "../hosts/protocol.ts";
import type { Target } from "./target.ts";

export interface TargetProbe extends ProbeResult {
  /** For the environment of the children that run this target. */
  readonly env: Readonly<Record<string, string>>;
  /** GPU targets: the adapter's name. */
  readonly adapter?: string;
}

const PROBE_SILENCE_MS = 60_000;

/** @throws UsageError (from the engine) when the target's options are wrong */
export async function probeTarget(target: Target): Promise<TargetProbe> {
  if (!ENGINE_NAMES.includes(target.engine)) {
    return missing(
      "not-implemented",
      `target ${target.text}: engine ${target.engine} is not part of this version`,
      `Use ${ENGINE_NAMES.join(", ")}`,
    );
  }
  if (target.host.kind !== "node") {
    return missing(
      "not-implemented",
      `target ${target.text}: host ${target.host.kind} is not part of this version`,
      `Use ${target.engine}, which runs in Node`,
    );
  }
  if (target.engine !== "webgpu") return askEngine(target, {});
  const gpu = await gpuEnvironment();
  if ("reason" in gpu) return { available: false, reason: gpu.reason, facts: {}, env: {} };
  const probe = await askEngine(target, gpu.env);
  return {
    ...probe,
    adapter: gpu.adapter,
    software: gpu.software || probe.software === true,
    facts: { adapter: gpu.adapter, ...probe.facts },
  };
}

async function askEngine(target: Target, env: Readonly<Record<string, string>>): Promise<TargetProbe> {
  const host = new NodeHost({ env, silenceMs: PROBE_SILENCE_MS });
  try {
    return { ...(await host.request("probe", { engine: target.engine, options: target.options })), env };
  } catch (error) {
    if (!(error instanceof HostError)) throw error;
    if (error.code === "usage") throw new SlimbenchError("usage", error.message, { remedy: error.remedy });
    return missing(error.code, error.message, error.remedy);
  } finally {
    await host.close();
  }
}

function missing(code: string, message: string, remedy: string): TargetProbe {
  return { available: false, reason: { code, message, remedy }, facts: {}, env: {} };
}
