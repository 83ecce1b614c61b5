/** What every page of ours may read: itself, built kernels and shader sources. */
import { fileURLToPath } from "node:url";
import type { Routes } from "./server.ts";

const root = (path: string): string => fileURLToPath(new URL(`../../../${path}`, import.meta.url));

export const PAGE_ROUTES: Routes = {
  "": { file: root("build/page/index.html") },
  ...Object.fromEntries(
    ["page.js", "by-hand.js", "by-hand.css", "worker.js", "thread.js", "gpujs.js"].map((name) => [
      name,
      { file: root(`build/page/${name}`) },
    ]),
  ),
  "asset/build/wasm": { folder: root("build/wasm") },
  "asset/shaders": { folder: root("shaders") },
};
