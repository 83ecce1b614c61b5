/** Where a model file comes from: a path, or a file inside an installed npm package (`npm:PACKAGE/PATH`). */
import { open, stat } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { FormatError, UsageError } from "../errors.ts";

/** Models are read into one array, and engines address weights with 32 bits. */
const MAX_BYTES = 2 ** 31;

export interface ModelFile {
  readonly bytes: Uint8Array;
  /** Absolute. */
  readonly path: string;
  /** File name without its folder: for messages and as the graph's name. */
  readonly name: string;
}

export interface SourceOptions {
  /** Relative paths start here, and packages are searched from here too. Default: the working directory. */
  readonly baseDir?: string;
}

/**
 * @throws UsageError when the file or package does not exist or is a folder, FormatError when it is empty, too large or unreadable
 */
export async function loadModelFile(spec: string, options: SourceOptions = {}): Promise<ModelFile> {
  const path = resolveModelPath(spec, options);
  const info = await stat(path).catch((error: unknown) => refuse(spec, path, error));
  if (info.isDirectory()) throw new UsageError(`model "${spec}": ${path} is a folder`, "Name an .onnx, .tflite or .slim file.");
  if (info.size === 0)
    throw new FormatError(`model "${spec}": the file is empty`, "Get the file again; expected an .onnx, .tflite or .slim model.");
  if (info.size > MAX_BYTES) {
    throw new FormatError(`model "${spec}": ${info.size} bytes, expected at most ${MAX_BYTES}`, "Models beyond 2 GiB are not supported.");
  }
  const file = await open(path).catch((error: unknown) => refuse(spec, path, error));
  try {
    // A plain array of its own, not a slice of Node's shared pool.
    const bytes = new Uint8Array(await file.readFile());
    return { bytes, path, name: basename(path) };
  } catch (error) {
    return refuse(spec, path, error);
  } finally {
    await file.close();
  }
}

/**
 * The absolute path that a model's name stands for; for a plain path without looking whether it exists.
 * @throws UsageError when a package is malformed or not installed
 */
export function resolveModelPath(spec: string, options: SourceOptions = {}): string {
  const baseDir = resolve(options.baseDir ?? process.cwd());
  if (!spec.startsWith("npm:")) {
    if (spec === "") throw new UsageError("model: the path is empty", "Name an .onnx, .tflite or .slim file.");
    return resolve(baseDir, spec);
  }
  const match = /^npm:((?:@[^/@\\]+\/)?[^/@\\]+)\/(.+)$/.exec(spec);
  const [, packageName, inside] = match ?? [];
  if (packageName === undefined || inside === undefined || inside.split(/[/\\]/).includes("..") || packageName.startsWith(".")) {
    throw new UsageError(`model "${spec}": expected npm:PACKAGE/PATH, for instance npm:@scope/models/net.onnx`);
  }
  const own = dirname(fileURLToPath(import.meta.url));
  for (const start of [own, baseDir, process.cwd()]) {
    for (let dir = start; ; dir = dirname(dir)) {
      const folder = join(dir, "node_modules", packageName);
      if (existsSync(folder)) return join(folder, inside);
      if (dir === dirname(dir)) break;
    }
  }
  throw new UsageError(`model "${spec}": npm package ${packageName} is not installed`, `Run: npm install ${packageName}`);
}

function refuse(spec: string, path: string, error: unknown): never {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  if (code === "ENOENT" || code === "ENOTDIR") throw new UsageError(`model "${spec}": no file ${path}`, "Check the path.");
  const why = code === "EACCES" || code === "EPERM" ? "no permission to read it" : error instanceof Error ? error.message : String(error);
  throw new FormatError(`model "${spec}": ${path} cannot be read: ${why}`, "Check its permissions.", error);
}
