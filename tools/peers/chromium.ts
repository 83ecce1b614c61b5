/**
 * The browser in which runtimes are compared. On the CPU it is Chromium as `bench` takes it from npm, whatever is installed: every machine
 * compares in the same one. On the GPU it is the one that `webgpu@chrome` uses, with the adapter that it finds there.
 */
import type { Browser } from "puppeteer-core";
import { UnavailableError } from "../../src/errors.ts";
import { provideEmbeddedBrowser } from "../../src/hosts/browser/embedded.ts";
import type { FoundBrowser } from "../../src/hosts/browser/find.ts";
import { launchBrowser, type BrowserGpu } from "../../src/hosts/browser/launch.ts";
import { probeTarget } from "../../src/harness/probe.ts";
import { parseTarget } from "../../src/harness/target.ts";

export interface LaunchedChromium {
  readonly browser: Browser;
  /** For the environment of a result. */
  readonly facts: Readonly<Record<string, string>>;
}

interface Place {
  readonly found: FoundBrowser;
  readonly gpu: BrowserGpu;
  readonly facts: Readonly<Record<string, string>>;
}

async function cpuPlace(): Promise<Place> {
  const embedded = await provideEmbeddedBrowser();
  return { found: { executable: embedded.executable, embedded }, gpu: "none", facts: {} };
}

async function gpuPlace(): Promise<Place> {
  const { available, reason, place, adapter, software } = await probeTarget(parseTarget("webgpu@chrome"));
  if (!available || place.kind !== "browser" || place.source.kind !== "chrome") {
    const { code, message, remedy } = reason ?? {
      code: "no-webgpu",
      message: "target webgpu@chrome: is not available",
      remedy: "Run bench doctor",
    };
    throw new UnavailableError(code, message, remedy);
  }
  const { browser, gpu } = place.source;
  return { found: browser, gpu, facts: { adapter: adapter ?? "?", "software GPU": String(software === true) } };
}

/**
 * @param engine what is compared there
 * @throws UnavailableError when there is no browser or no GPU adapter, or the browser does not start
 */
export async function launchChromium(engine: string): Promise<LaunchedChromium> {
  const { found, gpu, facts } = engine === "webgpu" ? await gpuPlace() : await cpuPlace();
  // One case is one call, and may take minutes on a busy machine.
  const browser = await launchBrowser(found, gpu, { protocolTimeoutMs: 0 });
  return { browser, facts };
}
