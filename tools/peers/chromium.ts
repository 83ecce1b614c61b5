/** Chromium as `bench` itself takes it from npm: every machine compares in the same browser, whatever is installed. */
import type { Browser } from "puppeteer-core";
import { provideEmbeddedBrowser } from "../../src/hosts/browser/embedded.ts";
import { browserFlags, launchBrowser } from "../../src/hosts/browser/launch.ts";

/** @throws UnavailableError when this is not Linux x64, the package is missing, or the browser does not start */
export async function launchChromium(): Promise<Browser> {
  const embedded = await provideEmbeddedBrowser();
  const found = { executable: embedded.executable, embedded };
  // One case is one call, and may take minutes on a busy machine.
  return launchBrowser(found, browserFlags(found, "none"), { protocolTimeoutMs: 0 });
}
