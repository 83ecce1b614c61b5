/**
 * Which browser runs the page, and how one gets hold of it: our own Chrome or Firefox, started anew for every record, or one that somebody
 * else started and that goes on afterwards.
 */
import type { Browser, Page } from "puppeteer-core";
import { connectBrowser } from "./connect.ts";
import type { FoundBrowser } from "./find.ts";
import { FIREFOX_PREFERENCES, launchFirefox } from "./firefox.ts";
import { browserFlags, browserUnavailable, launchBrowser } from "./launch.ts";
import type { BrowserGpu } from "./launch.ts";
import type { RemoteBrowser } from "./remote.ts";

export type BrowserSource =
  | { readonly kind: "chrome"; readonly browser: FoundBrowser; readonly gpu: BrowserGpu }
  | { readonly kind: "firefox"; readonly executable: string }
  | { readonly kind: "remote"; readonly remote: RemoteBrowser };

export interface StartedBrowser {
  readonly browser: Browser;
  readonly page: Page;
  /** Ours ends with the record; of somebody else's only our page is closed. */
  readonly owned: boolean;
}

/** The host as a target's word has it. */
export function sourceName(source: BrowserSource): string {
  if (source.kind === "remote") return source.remote.name === "" ? "ws" : `ws:${source.remote.name}`;
  return source.kind;
}

/** What our own browser is started with; of another's we do not know. */
export function sourceFlags(source: BrowserSource): readonly string[] {
  if (source.kind === "chrome") return browserFlags(source.browser, source.gpu);
  if (source.kind === "firefox") return Object.entries(FIREFOX_PREFERENCES).map(([name, value]) => `${name}=${String(value)}`);
  return [];
}

/** @throws UnavailableError when it does not start or cannot be reached */
export async function startBrowser(source: BrowserSource): Promise<StartedBrowser> {
  if (source.kind === "remote") return { ...(await connectBrowser(source.remote, sourceName(source))), owned: false };
  const browser = source.kind === "chrome" ? await launchBrowser(source.browser, source.gpu) : await launchFirefox(source.executable);
  try {
    const [first] = await browser.pages();
    return { browser, page: first ?? (await browser.newPage()), owned: true };
  } catch (error) {
    // It started and then does not answer: nobody else would end it.
    browser.process()?.kill("SIGKILL");
    const executable = source.kind === "chrome" ? source.browser.executable : source.executable;
    throw browserUnavailable(source.kind, executable, error);
  }
}
