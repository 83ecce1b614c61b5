/**
 * Somebody else's browser, over the Chrome DevTools protocol: a grid's WebSocket, or a phone's Chrome behind `adb forward`. It is left as
 * it was found: we open one page, and close that page.
 */
import type { Browser, Page } from "puppeteer-core";
import { UnavailableError } from "../../errors.ts";
import { PROTOCOL_TIMEOUT_MS } from "./launch.ts";
import type { RemoteBrowser } from "./remote.ts";

/** @throws UnavailableError when nobody answers there, or not as a browser */
export async function connectBrowser(
  { endpoint }: RemoteBrowser,
  host: string,
): Promise<{ readonly browser: Browser; readonly page: Page }> {
  const { default: puppeteer, TargetType } = await import("puppeteer-core");
  let browser: Browser | undefined;
  try {
    browser = await puppeteer.connect({
      ...(endpoint.startsWith("http") ? { browserURL: endpoint } : { browserWSEndpoint: endpoint }),
      // Windows keep the size that their owner gave them, and what we did not open we do not attach to.
      defaultViewport: null,
      targetFilter: (target) => target.type() !== TargetType.PAGE || target.url() === "" || target.url() === "about:blank",
      protocolTimeout: PROTOCOL_TIMEOUT_MS,
    });
    const page = await browser.newPage();
    // A page behind others is slowed down.
    await page.bringToFront();
    return { browser, page };
  } catch (error) {
    await browser?.disconnect();
    throw new UnavailableError(
      "browser-unreachable",
      `host ${host}: no browser answers at ${endpoint}, got: ${error instanceof Error ? error.message || error.name : messageOf(error)}`,
      "Check --browser-ws: a Chrome started with --remote-debugging-port=9222 is http://HOST:9222",
      error,
    );
  }
}

/** A socket that cannot be opened rejects with an event. */
function messageOf(error: unknown): string {
  return typeof error === "object" && error !== null && "message" in error ? String(error.message) : "no connection";
}
