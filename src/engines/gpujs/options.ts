/** Options of a `webgl` target; `gpujs-cpu` has none. */
import { UsageError } from "../../errors.ts";
import type { EngineOptions } from "../engine.ts";

export interface WebglOptions {
  /** `off`: one element a kernel call everywhere, instead of four where channels fill texels. */
  readonly texels: boolean;
}

/** @throws UsageError for a key or value that the engine does not know */
export function parseWebglOptions(options: EngineOptions): WebglOptions {
  for (const key of Object.keys(options)) {
    if (key !== "texels") throw new UsageError(`target webgl: unknown option "${key}", expected texels`);
  }
  const word = options["texels"] ?? "auto";
  if (word !== "auto" && word !== "off") throw new UsageError(`target webgl: option texels, got "${word}", expected auto or off`);
  return { texels: word === "auto" };
}

/** @throws UsageError for any key */
export function parseCpuOptions(options: EngineOptions): void {
  const [key] = Object.keys(options);
  if (key !== undefined) throw new UsageError(`target gpujs-cpu: unknown option "${key}", expected none`);
}
