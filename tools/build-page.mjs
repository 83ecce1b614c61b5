/** Bundles the browser page to build/page/, ahead of time: nothing is bundled when a benchmark runs. */
import { cp, mkdir } from "node:fs/promises";
import { URL, fileURLToPath } from "node:url";
import { build } from "esbuild";

const source = new URL("../src/hosts/page/", import.meta.url);
const byHand = new URL("../src/web/", import.meta.url);
const target = new URL("../build/page/", import.meta.url);
await mkdir(target, { recursive: true });
await build({
  entryPoints: [
    ...["page.ts", "worker.ts", "thread.ts"].map((name) => fileURLToPath(new URL(name, source))),
    fileURLToPath(new URL("by-hand.ts", byHand)),
  ],
  entryNames: "[name]",
  outdir: fileURLToPath(target),
  bundle: true,
  format: "esm",
  platform: "browser",
  target: "chrome113",
  splitting: false,
  logLevel: "warning",
  legalComments: "none",
  plugins: [
    {
      name: "gpu.js apart",
      setup: ({ onResolve }) => onResolve({ filter: /^gpu\.js$/ }, () => ({ path: "./gpujs.js", external: true })),
    },
  ],
});
// As large as all engines together, and needed by two of them: a file of its own that they load.
await build({
  entryPoints: [fileURLToPath(new URL("gpujs.ts", source))],
  outdir: fileURLToPath(target),
  bundle: true,
  format: "esm",
  platform: "browser",
  target: "chrome113",
  external: ["worker_threads"],
  logLevel: "warning",
  legalComments: "inline",
});
await cp(new URL("index.html", source), new URL("index.html", target));
await cp(new URL("by-hand.css", byHand), new URL("by-hand.css", target));
