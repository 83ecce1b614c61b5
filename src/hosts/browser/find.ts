/** Which Chrome runs: the one that the user names, an installed one, or the one from npm. */
import { accessSync, constants, statSync } from "node:fs";
import { homedir } from "node:os";
import { delimiter, join } from "node:path";
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
  if (wanted !== undefined) return { executable: checkNamed(wanted, "Chrome or Chromium") };
  const installed = (await systemChrome()) ?? onPath(NAMES) ?? (await puppeteerCache("chrome"));
  if (installed !== undefined) return { executable: installed };
  const embedded = await provideEmbeddedBrowser();
  return { executable: embedded.executable, embedded };
}

async function systemChrome(): Promise<string | undefined> {
  const { Browser, ChromeReleaseChannel, computeSystemExecutablePath } = await import("@puppeteer/browsers");
  try {
    const path = computeSystemExecutablePath({ browser: Browser.CHROME, channel: ChromeReleaseChannel.STABLE });
    return isProgram(path) ? path : undefined;
  } catch {
    // None where it would be on this platform.
    return undefined;
  }
}

/** @throws UsageError when what the user named is not a program */
export function checkNamed(path: string, what: string): string {
  if (!isProgram(path)) throw new UsageError(`--browser ${path}: is not a program. Give the path of a ${what}`);
  return path;
}

export function onPath(names: readonly string[]): string | undefined {
  const folders = (process.env["PATH"] ?? "").split(delimiter).filter((folder) => folder !== "");
  return folders.flatMap((folder) => names.map((name) => join(folder, name))).find(isProgram);
}

/** As Puppeteer names them. */
const FAMILIES: Readonly<Record<"chrome" | "firefox", readonly string[]>> = {
  chrome: ["chrome", "chrome-headless-shell"],
  firefox: ["firefox"],
};

/** What `npx puppeteer browsers install` has left, the newest first. */
export async function puppeteerCache(family: "chrome" | "firefox"): Promise<string | undefined> {
  const { getInstalledBrowsers } = await import("@puppeteer/browsers");
  const cacheDir = process.env["PUPPETEER_CACHE_DIR"] ?? join(homedir(), ".cache", "puppeteer");
  const found = await getInstalledBrowsers({ cacheDir }).catch(() => []);
  const fitting = found.filter(({ browser }) => FAMILIES[family].includes(browser));
  fitting.sort((a, b) => b.buildId.localeCompare(a.buildId, "en", { numeric: true }));
  return fitting.map(({ executablePath }) => executablePath).find(isProgram);
}

export function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
