/** Starts the Chromium host: bundles the page, serves it, opens it, and calls its one function per case. */
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import type { Target } from "../../src/harness/target.ts";
import type { PeerCase } from "./case.ts";
import type { CaseResult } from "./contest.ts";
import { launchChromium } from "./chromium.ts";
import { PEER_FILES, type Host } from "./host.ts";
import type { RoundSettings } from "./rounds.ts";
import { PageServer } from "../../src/hosts/browser/server.ts";

const HTML = `<!doctype html><meta charset="utf-8"><title>peers</title><body><script type="module" src="page.js"></script></body>`;

const root = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url));

async function bundlePage(): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL("./page.ts", import.meta.url))],
    bundle: true,
    write: false,
    format: "esm",
    platform: "browser",
    target: "chrome120",
    logLevel: "error",
  });
  return outputFiles[0]!.text;
}

export async function openChromiumHost(folder: string, settings: RoundSettings, target: Target): Promise<Host> {
  const peerFolders = Object.entries(PEER_FILES).map(([name, path]) => [name, { folder: root(`node_modules/${path}`) }] as const);
  const server = await PageServer.start({
    routes: {
      "page.html": { content: HTML },
      "page.js": { content: await bundlePage() },
      build: { folder: root("build") },
      shaders: { folder: root("shaders") },
      cases: { folder },
      ...Object.fromEntries(peerFolders),
    },
  });
  const { browser, facts } = await launchChromium(target.engine).catch(async (error: unknown) => {
    await server.close();
    throw error;
  });
  const close = async (): Promise<void> => {
    await browser.close();
    await server.close();
  };
  try {
    const page = await browser.newPage();
    await page.goto(`${server.url}page.html`, { waitUntil: "load" });
    await page.waitForFunction("typeof runCase === 'function'");
    const session = await page.createCDPSession();
    const { product, jsVersion } = await session.send("Browser.getVersion");
    const isolated = await page.evaluate("crossOriginIsolated");
    return {
      name: "chromium",
      environment: { chromium: product, v8: jsVersion, crossOriginIsolated: String(isolated), ...facts },
      async run(one: PeerCase): Promise<CaseResult> {
        const call = `runCase(${JSON.stringify(one)}, ${JSON.stringify(settings)}, ${JSON.stringify(target)})`;
        return (await page.evaluate(call)) as CaseResult;
      },
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}
