/** Targets of a sweep over sparsity: the engines that can be told to skip zeros whether it pays or not. */
import type { Target } from "../target.ts";

const ENGINES: readonly string[] = ["cpu", "wasm"];

export function skipsZeros({ engine }: Target): boolean {
  return ENGINES.includes(engine);
}

/** The target with `sparse=on`; one that says something about sparsity already stays as it is. */
export function withSparse(target: Target): Target {
  if (Object.hasOwn(target.options, "sparse")) return target;
  const separator = Object.keys(target.options).length > 0 ? "," : ":";
  return { ...target, text: `${target.text}${separator}sparse=on`, options: { ...target.options, sparse: "on" } };
}
