/** Firefox, driven through WebDriver BiDi: where it lies, and how it is started. */
import { join } from "node:path";
import type { Browser } from "puppeteer-core";
import { UnavailableError } from "../../errors.ts";
import { LAUNCH_TIMEOUT_MS, PROTOCOL_TIMEOUT_MS, browserUnavailable } from "./launch.ts";
import { checkNamed, isProgram, onPath, puppeteerCache } from "./find.ts";

/** Names that distributions give it. */
const NAMES = ["firefox", "firefox-esr", "firefox-nightly", "firefox-developer-edition"];

/** Where installers of systems without a PATH to speak of put it. */
const FOLDERS: Readonly<Partial<Record<NodeJS.Platform, readonly string[]>>> = {
  darwin: [
    "/Applications/Firefox.app/Contents/MacOS/firefox",
    "/Applications/Firefox Developer Edition.app/Contents/MacOS/firefox",
    "/Applications/Firefox Nightly.app/Contents/MacOS/firefox",
  ],
  win32: [process.env["PROGRAMFILES"], process.env["PROGRAMFILES(X86)"], process.env["LOCALAPPDATA"]]
    .filter((folder) => folder !== undefined)
    .map((folder) => join(folder, "Mozilla Firefox", "firefox.exe")),
  linux: ["/snap/bin/firefox", "/opt/firefox/firefox"],
};

/** What measuring needs: WebGPU where this build has it, a clock in its full resolution, and timers that run though nobody looks. */
export const FIREFOX_PREFERENCES: Readonly<Record<string, boolean | number>> = {
  "dom.webgpu.enabled": true,
  "gfx.webgpu.ignore-blocklist": true,
  "privacy.reduceTimerPrecision": false,
  "dom.timeout.enable_budget_timer_throttling": false,
  "dom.min_background_timeout_value": 4,
};

/**
 * @param wanted path that the user named
 * @throws UsageError when it is not a program, UnavailableError when nothing is found
 */
export async function findFirefox(wanted?: string): Promise<string> {
  if (wanted !== undefined) return checkNamed(wanted, "Firefox");
  const found = onPath(NAMES) ?? FOLDERS[process.platform]?.find(isProgram) ?? (await puppeteerCache("firefox"));
  if (found !== undefined) return found;
  throw new UnavailableError(
    "no-browser",
    "host firefox: no Firefox found",
    "Install Firefox (on Debian: apt-get install firefox-esr), or name one with --browser PATH",
  );
}

/** @throws UnavailableError with what it said when it does not start */
export async function launchFirefox(executable: string): Promise<Browser> {
  const { default: puppeteer } = await import("puppeteer-core");
  try {
    return await puppeteer.launch({
      browser: "firefox",
      executablePath: executable,
      headless: true,
      extraPrefsFirefox: { ...FIREFOX_PREFERENCES },
      timeout: LAUNCH_TIMEOUT_MS,
      protocolTimeout: PROTOCOL_TIMEOUT_MS,
      // An interrupt is the harness's to handle.
      handleSIGINT: false,
      handleSIGTERM: false,
      handleSIGHUP: false,
    });
  } catch (error) {
    throw browserUnavailable("firefox", executable, error);
  }
}
