/**
 * Starts Chrome with what measuring needs and nothing that a page could profit from in ordinary use. Puppeteer, here and wherever a browser is
 * driven, is loaded when one is: it takes longer than all the rest of the command.
 */
import type { Browser } from "puppeteer-core";
import { UnavailableError } from "../../errors.ts";
import type { FoundBrowser } from "./find.ts";

/** `software`: SwiftShader instead of the machine's GPU. */
export type BrowserGpu = "none" | "hardware" | "software";

const COMMON_FLAGS = [
  // Collections between phases, so that they do not fall into timed runs by chance.
  "--js-flags=--expose-gc",
  // The window is never looked at, which must not slow its timers.
  "--disable-background-timer-throttling",
  "--disable-backgrounding-occluded-windows",
  "--disable-renderer-backgrounding",
];

const GPU_FLAGS: Readonly<Record<BrowserGpu, readonly string[]>> = {
  none: [],
  hardware: ["--enable-unsafe-webgpu", "--ignore-gpu-blocklist", "--enable-features=Vulkan", "--enable-webgpu-developer-features"],
  // Developer features end the rounding of timestamps to 65,536 ns.
  software: [
    "--enable-unsafe-webgpu",
    "--ignore-gpu-blocklist",
    "--use-webgpu-adapter=swiftshader",
    "--enable-unsafe-swiftshader",
    "--enable-webgpu-developer-features",
  ],
};

export function browserFlags(found: FoundBrowser, gpu: BrowserGpu): readonly string[] {
  // Chrome's sandbox does not start as root, and the shell from npm has no helper for it. The only page it ever opens is ours.
  const unsandboxed = found.embedded !== undefined || process.getuid?.() === 0 ? ["--no-sandbox"] : [];
  const embedded = found.embedded === undefined ? [] : ["--no-zygote"];
  return [...COMMON_FLAGS, ...GPU_FLAGS[gpu], ...unsandboxed, ...embedded];
}

export const LAUNCH_TIMEOUT_MS = 60_000;

/** Longer than any single call that a host makes to a browser. */
export const PROTOCOL_TIMEOUT_MS = 180_000;

/**
 * A Vulkan driver named in the environment, as ours is for Node's tests, would take the place of the browser's own SwiftShader: with one of
 * another version there is neither WebGL nor WebGPU (Chromium 156, 2026-11-30).
 */
const DRIVER_VARIABLES = ["VK_DRIVER_FILES", "VK_ICD_FILENAMES"];

function environmentFor(gpu: BrowserGpu): NodeJS.ProcessEnv {
  const drop = gpu === "hardware" ? [] : DRIVER_VARIABLES;
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !drop.includes(name)));
}

/**
 * @param options.protocolTimeoutMs for one call to the browser; 0: none
 * @param options.flags more of Chrome's flags
 * @throws UnavailableError with what the browser said when it does not start
 */
export async function launchBrowser(
  found: FoundBrowser,
  gpu: BrowserGpu,
  { protocolTimeoutMs = PROTOCOL_TIMEOUT_MS, flags = [] }: { readonly protocolTimeoutMs?: number; readonly flags?: readonly string[] } = {},
): Promise<Browser> {
  const { embedded, executable } = found;
  const { default: puppeteer } = await import("puppeteer-core");
  const launch = (env: Readonly<Record<string, string>>): Promise<Browser> =>
    puppeteer.launch({
      executablePath: executable,
      headless: embedded === undefined ? true : "shell",
      args: [...browserFlags(found, gpu), ...flags],
      env: { ...environmentFor(gpu), ...env },
      timeout: LAUNCH_TIMEOUT_MS,
      protocolTimeout: protocolTimeoutMs,
      // An interrupt is the harness's to handle.
      handleSIGINT: false,
      handleSIGTERM: false,
      handleSIGHUP: false,
    });
  const fonts = embedded === undefined ? {} : { FONTCONFIG_FILE: embedded.fonts };
  try {
    return await launch(fonts);
  } catch (first) {
    // The system's own libraries are preferred; a bare system has none.
    if (embedded !== undefined && messageOf(first).includes("error while loading shared libraries")) {
      try {
        return await launch({ ...fonts, LD_LIBRARY_PATH: embedded.libraries });
      } catch (second) {
        throw browserUnavailable("chrome", executable, second);
      }
    }
    throw browserUnavailable("chrome", executable, first);
  }
}

/** A browser that does not start, with the most telling line of what it said. */
export function browserUnavailable(host: string, executable: string, error: unknown): UnavailableError {
  const said = messageOf(error)
    .split("\n")
    .map((line) => line.trim())
    .find((line) => /error|cannot|failed|timed out|ENOENT|EACCES/i.test(line) && !line.startsWith("TROUBLESHOOTING"));
  return new UnavailableError(
    "browser-start",
    `host ${host}: ${executable} does not start, got: ${said ?? messageOf(error).slice(0, 200)}`,
    "Install what it lacks, or name another browser with --browser PATH",
    error,
  );
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
