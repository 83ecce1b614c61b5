/** Asks each target, once and in a host of its own, whether it can run here. A driver that crashes takes only that host along. */
import type { ProbeResult } from "../engines/engine.ts";
import { ENGINE_NAMES } from "../engines/registry.ts";
import { SlimbenchError, UnavailableError } from "../errors.ts";
import { findChrome } from "../hosts/browser/find.ts";
import { BrowserHost } from "../hosts/browser/host.ts";
import type { BrowserGpu } from "../hosts/browser/launch.ts";
import { gpuEnvironment } from "../hosts/gpu.ts";
import { openHost } from "../hosts/open.ts";
import type { HostPlace } from "../hosts/open.ts";
import { HostError } from "../hosts/protocol.ts";
import type { Target } from "./target.ts";

export interface TargetProbe extends ProbeResult {
  /** Where the target's engine lives; meaningless when it is not available. */
  readonly place: HostPlace;
  /** GPU targets: the adapter's name. */
  readonly adapter?: string;
}

export interface ProbeOptions {
  /** The browser to use in place of the one that is found. */
  readonly browser?: string | undefined;
}

const PROBE_SILENCE_MS = 60_000;

/** @throws UsageError (from the engine) when the target's options are wrong */
export async function probeTarget(target: Target, options: ProbeOptions = {}): Promise<TargetProbe> {
  if (!ENGINE_NAMES.includes(target.engine)) {
    return missing(
      "not-implemented",
      `target ${target.text}: engine ${target.engine} is not part of this version`,
      `Use ${ENGINE_NAMES.join(", ")}`,
    );
  }
  try {
    switch (target.host.kind) {
      case "node":
        return await probeInNode(target);
      case "chrome":
        return await probeInChrome(target, options);
      default:
        return missing(
          "not-implemented",
          `target ${target.text}: host ${target.host.kind} is not part of this version`,
          `Use ${target.engine}, which runs in Node, or ${target.engine}@chrome`,
        );
    }
  } catch (error) {
    if (!(error instanceof HostError || error instanceof UnavailableError)) throw error;
    if (error.code === "usage") throw new SlimbenchError("usage", error.message, { remedy: error.remedy });
    return missing(error.code, error.message, error.remedy);
  }
}

async function probeInNode(target: Target): Promise<TargetProbe> {
  if (target.engine !== "webgpu") return askEngine(target, { kind: "node", env: {} });
  const gpu = await gpuEnvironment();
  if ("reason" in gpu) return missing(gpu.reason.code, gpu.reason.message, gpu.reason.remedy);
  const probe = await askEngine(target, { kind: "node", env: gpu.env });
  return {
    ...probe,
    adapter: gpu.adapter,
    software: gpu.software || probe.software === true,
    facts: { adapter: gpu.adapter, ...probe.facts },
  };
}

/** A GPU target takes the machine's GPU where the browser has one, else SwiftShader. */
async function probeInChrome(target: Target, { browser: wanted }: ProbeOptions): Promise<TargetProbe> {
  const browser = await findChrome(wanted);
  if (target.engine !== "webgpu") return askEngine(target, { kind: "chrome", browser, gpu: "none" });
  const attempt = (gpu: BrowserGpu): Promise<TargetProbe> => askEngine(target, { kind: "chrome", browser, gpu });
  const hardware = await attempt("hardware").catch((error: unknown) => {
    // A driver that takes the browser along: the software one may still do.
    if (!(error instanceof HostError)) throw error;
    return undefined;
  });
  const probe = hardware?.available === true ? hardware : await attempt("software");
  return { ...probe, adapter: adapterName(probe.facts) };
}

/** The first of an adapter's facts that says something. */
function adapterName({ description, device, vendor, architecture }: ProbeResult["facts"]): string {
  const words = [description, device, [vendor, architecture].filter((word) => word !== undefined).join(" ")];
  return String(words.find((word) => word !== undefined && word !== "") ?? "unnamed adapter");
}

async function askEngine(target: Target, place: HostPlace): Promise<TargetProbe> {
  const host = await openHost(place, { silenceMs: PROBE_SILENCE_MS });
  try {
    const probe = await host.request("probe", { engine: target.engine, options: target.options });
    if (!(host instanceof BrowserHost)) return { ...probe, place };
    const facts = { browser: await host.version(), browserFlags: host.flags.join(" "), ...probe.facts };
    return { ...probe, facts, place };
  } finally {
    await host.close();
  }
}

function missing(code: string, message: string, remedy: string): TargetProbe {
  return { available: false, reason: { code, message, remedy }, facts: {}, place: { kind: "node", env: {} } };
}
