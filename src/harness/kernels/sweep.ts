/** Targets of sweeps: the engines that can be told to skip zeros, or to keep compact codes, whether it pays or not. */
import type { Target } from "../target.ts";

export type SweepOption = "sparse" | "coded";

const ENGINES: Readonly<Record<SweepOption, readonly string[]>> = { sparse: ["cpu", "wasm"], coded: ["wasm", "webgpu"] };

export function canForce({ engine }: Target, option: SweepOption): boolean {
  return ENGINES[option].includes(engine);
}

/** The target with `sparse=on` or `coded=on`; one that says something about it already stays as it is. */
export function withForced(target: Target, option: SweepOption): Target {
  if (Object.hasOwn(target.options, option)) return target;
  const separator = Object.keys(target.options).length > 0 ? "," : ":";
  return { ...target, text: `${target.text}${separator}${option}=on`, options: { ...target.options, [option]: "on" } };
}

/** The options that the rows of a sweep do not share with the row that they are compared with. */
export const SWEEP_OPTIONS: readonly string[] = Object.keys(ENGINES);
