/** Asks each target, once and in a host of its own, whether it can run here. A driver that crashes takes only that host along. */
import type { ProbeResult } from "../engines/engine.ts";
import { ENGINE_NAMES, NODE_ENGINES } from "../engines/registry.ts";
import { SlimbenchError, UnavailableError } from "../errors.ts";
import { findChrome } from "../hosts/browser/find.ts";
import { findFirefox } from "../hosts/browser/firefox.ts";
import { BrowserHost } from "../hosts/browser/host.ts";
import type { BrowserGpu } from "../hosts/browser/launch.ts";
import type { RemoteBrowser } from "../hosts/browser/remote.ts";
import type { BrowserSource } from "../hosts/browser/source.ts";
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
  /** Browsers to use in place of those that are found: paths of programs. */
  readonly browsers?: Readonly<Partial<Record<"chrome" | "firefox", string>>> | undefined;
  /** Browsers that `@ws` and `@ws:NAME` mean. */
  readonly remotes?: readonly RemoteBrowser[] | undefined;
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
  if (target.host.kind !== "node" && NODE_ENGINES.includes(target.engine)) {
    return missing("node-only", `target ${target.text}: engine ${target.engine} runs in Node only`, `Use ${target.engine}`);
  }
  try {
    switch (target.host.kind) {
      case "node":
        return await probeInNode(target);
      case "chrome":
        return await probeInChrome(target, options);
      case "firefox":
        return await probeInBrowser(target, { kind: "firefox", executable: await findFirefox(options.browsers?.firefox) });
      case "ws":
        return await probeInBrowser(target, { kind: "remote", remote: findRemote(target.text, target.host.name, options) });
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
async function probeInChrome(target: Target, { browsers }: ProbeOptions): Promise<TargetProbe> {
  const browser = await findChrome(browsers?.chrome);
  const attempt = (gpu: BrowserGpu): Promise<TargetProbe> => probeInBrowser(target, { kind: "chrome", browser, gpu });
  if (!isGpuTarget(target)) return attempt("none");
  const hardware = await attempt("hardware").catch((error: unknown) => {
    // A driver that takes the browser along: the software one may still do.
    if (!(error instanceof HostError)) throw error;
    return undefined;
  });
  return hardware?.available === true ? hardware : attempt("software");
}

/** With the GPU that the browser offers. */
async function probeInBrowser(target: Target, source: BrowserSource): Promise<TargetProbe> {
  const probe = await askEngine(target, { kind: "browser", source });
  return isGpuTarget(target) ? { ...probe, adapter: adapterName(probe.facts) } : probe;
}

function isGpuTarget({ engine }: Target): boolean {
  return engine === "webgpu" || engine === "webgl";
}

function findRemote(target: string, name: string, { remotes = [] }: ProbeOptions): RemoteBrowser {
  const found = remotes.find((remote) => remote.name === name);
  if (found !== undefined) return found;
  const given = remotes.map((remote) => (remote.name === "" ? "ws" : `ws:${remote.name}`)).join(", ");
  throw new UnavailableError(
    "no-browser",
    `target ${target}: no browser of that name was given${given === "" ? "" : `, only ${given}`}`,
    `Say where it is: --browser-ws ${name === "" ? "" : `${name}=`}URL`,
  );
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
