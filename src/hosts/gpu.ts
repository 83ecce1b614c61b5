/**
 * WebGPU in Node: Dawn from the npm package `webgpu`. The parent decides, once, which driver the children use: the machine's own when
 * Dawn finds an adapter with it, else SwiftShader. Environment variables of the dynamic linker count only at the start of a process,
 * so the answer is an environment for the child; the probe runs in a child too, since a driver may crash.
 */
import { spawn } from "node:child_process";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { isSoftwareAdapter } from "../engines/webgpu/device.ts";
import { SlimbenchError, UnavailableError } from "../errors.ts";
import { provideSwiftShader, swiftShaderEnvironment } from "./swiftshader.ts";

export interface GpuFound {
  /** Variables to add to the environment of a child that opens the GPU; empty with the machine's own driver. */
  readonly env: Record<string, string>;
  /** For people: `SwiftShader driver 5.0.0`, `NVIDIA GeForce …`. */
  readonly adapter: string;
  /** True for SwiftShader, llvmpipe and their like. */
  readonly software: boolean;
}

export interface GpuMissing {
  readonly reason: { readonly code: string; readonly message: string; readonly remedy: string };
}

/** What the probe child prints: one line of JSON. */
interface ProbeLine {
  readonly error?: string;
  /** The child died before it could answer. */
  readonly crashed?: boolean;
  readonly adapter?: {
    readonly vendor: string;
    readonly architecture: string;
    readonly device: string;
    readonly description: string;
    readonly isFallbackAdapter: boolean;
  };
}

const PROBE_TIMEOUT_MS = 30_000;

/**
 * The probe child. Plain text and not a module of ours, so that it runs from sources and from the build alike. It writes synchronously
 * and leaves by SIGKILL: destructors of a driver cannot turn a good answer into a crash.
 */
const PROBE_SOURCE = `
import { writeSync } from "node:fs";
let line = {};
try {
  const { create, globals } = await import(process.argv[1]);
  Object.assign(globalThis, globals);
  // Global, so that it is not collected while Dawn works for it.
  globalThis.gpu = create([]);
  const adapter = await globalThis.gpu.requestAdapter({ powerPreference: "high-performance" });
  if (adapter) {
    const { vendor, architecture, device, description, isFallbackAdapter } = adapter.info;
    line = { adapter: { vendor, architecture, device, description, isFallbackAdapter } };
  }
} catch (error) {
  line = { error: String(error?.message ?? error).split("\\n")[0] };
}
writeSync(1, JSON.stringify(line) + "\\n");
process.kill(process.pid, "SIGKILL");
`;

function dawnModule(): string | undefined {
  try {
    return pathToFileURL(createRequire(import.meta.url).resolve("webgpu")).href;
  } catch {
    return undefined;
  }
}

function probe(dawn: string, env: Record<string, string>): Promise<ProbeLine> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, ["--input-type=module", "--eval", PROBE_SOURCE, dawn], {
      env: { ...process.env, NODE_OPTIONS: "", ...env },
      stdio: ["ignore", "pipe", "ignore"],
    });
    let text = "";
    const timer = setTimeout(() => child.kill("SIGKILL"), PROBE_TIMEOUT_MS);
    child.stdout.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
    child.once("error", (error) => {
      clearTimeout(timer);
      resolve({ error: error.message, crashed: true });
    });
    child.once("close", (code, signal) => {
      clearTimeout(timer);
      const end = text.indexOf("\n");
      resolve(
        end < 0
          ? { error: `the probe ended without an answer (${signal ?? `exit code ${code ?? "unknown"}`})` }
          : (JSON.parse(text.slice(0, end)) as ProbeLine),
      );
    });
  });
}

function found(line: ProbeLine, env: Record<string, string>): GpuFound | undefined {
  if (line.adapter === undefined) return undefined;
  const { description, device, vendor, architecture } = line.adapter;
  const adapter = [description, device, `${vendor} ${architecture}`.trim()].find((text) => text !== "") ?? "unnamed adapter";
  return { env, adapter, software: isSoftwareAdapter(line.adapter) };
}

async function decide(): Promise<GpuFound | GpuMissing> {
  const dawn = dawnModule();
  if (dawn === undefined) {
    return { reason: { code: "no-dawn", message: "webgpu: the npm package webgpu is not installed", remedy: "run npm ci" } };
  }
  const own = await probe(dawn, {});
  const adapter = found(own, {});
  if (adapter !== undefined) return adapter;
  // A driver that crashes says nothing about Dawn: SwiftShader may still do.
  if (own.error !== undefined && own.crashed !== true) {
    const remedy =
      "the npm package webgpu has builds for linux, macOS and Windows on x64 and arm64 with glibc; use another target, or a browser host";
    return { reason: { code: "no-dawn", message: `webgpu: Dawn does not start here, got: ${own.error}`, remedy } };
  }
  try {
    const env = swiftShaderEnvironment(await provideSwiftShader());
    const line = await probe(dawn, env);
    const software = found(line, env);
    if (software !== undefined) return software;
    const message = `webgpu: no GPU adapter, not even with SwiftShader, got: ${line.error ?? "no adapter"}`;
    return {
      reason: { code: "no-gpu", message, remedy: "install a Vulkan driver (on Debian or Ubuntu: apt-get install mesa-vulkan-drivers)" },
    };
  } catch (error) {
    if (!(error instanceof SlimbenchError)) throw error;
    return { reason: { code: error.code, message: error.message, remedy: error.remedy } };
  }
}

let decision: Promise<GpuFound | GpuMissing> | undefined;

/** Which GPU children of this process can have, and the environment that gives it to them. Decided once per process. */
export function gpuEnvironment(): Promise<GpuFound | GpuMissing> {
  decision ??= decide();
  return decision;
}

/**
 * Opens Dawn in this process, which must have been started with `gpuEnvironment().env`. Keep the returned object referenced while the
 * GPU is in use (Dawn crashes when it is collected early) and end the process by `process.exit`, since Dawn may keep Node alive.
 * @throws UnavailableError when the package does not load on this system
 */
export async function openNodeGpu(): Promise<GPU> {
  try {
    const { create, globals } = await import("webgpu");
    Object.assign(globalThis, globals);
    // Timestamps rounded to 65,536 ns, a guard for web pages, would hide every small kernel.
    return create(["disable-dawn-features=timestamp_quantization"]);
  } catch (error) {
    throw new UnavailableError(
      "no-dawn",
      `webgpu: Dawn does not load on ${process.platform} ${process.arch}, got: ${error instanceof Error ? (error.message.split("\n")[0] ?? "") : String(error)}`,
      "run npm ci; the npm package webgpu has builds for linux, macOS and Windows on x64 and arm64",
      error,
    );
  }
}
