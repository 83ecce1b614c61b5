/** Which Chrome runs: the one that the user names, an installed one, or the one from npm. Decided once a process. */
import { accessSync, constants, statSync } from "node:fs";
import { homedir } from "node:os";
import { delimiter, join } from "node:path";
import { Browser, ChromeReleaseChannel, computeSystemExecutablePath, getInstalledBrowsers } from "@puppeteer/browsers";
import { UsageError } from "../../errors.ts";
import { provideEmbeddedBrowser } from "./embedded.ts";
import type { EmbeddedBrowser } from "./embedded.ts";

export interface FoundBrowser {
  readonly executable: string;
  /** Present for the browser from npm. */
  readonly embedded?: EmbeddedBrowser;
}

/** Names that distributions give it, besides what puppeteer knows. */
const NAMES = ["google-chrome-stable", "google-chrome", "chromium", "chromium-browser"];

/**
 * @param wanted path that the user named
 * @throws UsageError when it is not a program, UnavailableError when nothing is found
 */
export async function findChrome(wanted?: string): Promise<FoundBrowser> {
  if (wanted !== undefined) {
    if (!isProgram(wanted)) throw new UsageError(`--browser ${wanted}: is not a program. Give the path of a Chrome or Chromium`);
    return { executable: wanted };
  }
  const installed = systemChrome() ?? onPath() ?? (await puppeteerCache());
  if (installed !== undefined) return { executable: installed };
  const embedded = await provideEmbeddedBrowser();
  return { executable: embedded.executable, embedded };
}

function systemChrome(): string | undefined {
  try {
    const path = computeSystemExecutablePath({ browser: Browser.CHROME, channel: ChromeReleaseChannel.STABLE });
    return isProgram(path) ? path : undefined;
  } catch {
    // None where it would be on this platform.
    return undefined;
  }
}

function onPath(): string | undefined {
  const folders = (process.env["PATH"] ?? "").split(delimiter).filter((folder) => folder !== "");
  return folders.flatMap((folder) => NAMES.map((name) => join(folder, name))).find(isProgram);
}

/** What `npx puppeteer browsers install chrome` has left, the newest first. */
async function puppeteerCache(): Promise<string | undefined> {
  const cacheDir = process.env["PUPPETEER_CACHE_DIR"] ?? join(homedir(), ".cache", "puppeteer");
  const found = await getInstalledBrowsers({ cacheDir }).catch(() => []);
  const chromes = found.filter(({ browser }) => browser === Browser.CHROME || browser === Browser.CHROMEHEADLESSSHELL);
  chromes.sort((a, b) => b.buildId.localeCompare(a.buildId, "en", { numeric: true }));
  return chromes.map(({ executablePath }) => executablePath).find(isProgram);
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
