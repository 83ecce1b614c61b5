/**
 * LiteRT.js and tfjs-tflite are written for pages and workers: they fetch a classic script with `importScripts` and look for `self` and
 * `location`. These few globals are all that they lack here.
 */
import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { runInThisContext } from "node:vm";

function pathOf(url: string): string {
  return url.startsWith("file:") ? fileURLToPath(url) : url;
}

/** Runs a classic script in the global scope, with what Node's own CommonJS scripts find there. */
export function runScript(url: string): void {
  const file = pathOf(url);
  Object.assign(globalThis, { require: createRequire(file), __filename: file, __dirname: dirname(file) });
  runInThisContext(readFileSync(file, "utf8"), { filename: file });
}

/** `fetch` for paths of files, which Node's own refuses. */
async function fetchFile(url: string): Promise<Response> {
  return new Response(await readFile(pathOf(url)), { headers: { "content-type": "application/wasm" } });
}

export function defineWorkerGlobals(): void {
  const href = pathToFileURL(process.argv[1] ?? process.cwd()).href;
  Object.assign(globalThis, {
    self: globalThis,
    importScripts: runScript,
    fetch: fetchFile,
    location: { href, origin: "file://" },
    exports: {},
  });
}

/** Hides SharedArrayBuffer from what looks for it meanwhile. */
export async function withoutSharedMemory<T>(action: () => Promise<T>): Promise<T> {
  const { SharedArrayBuffer: hidden } = globalThis;
  Reflect.deleteProperty(globalThis, "SharedArrayBuffer");
  try {
    return await action();
  } finally {
    Object.assign(globalThis, { SharedArrayBuffer: hidden });
  }
}
