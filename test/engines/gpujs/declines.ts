/** What the engines on gpu.js are not for, and what of the rest they may refuse. */
import type { OpCase } from "../vectors.ts";

/** They refuse everything else by its type (session.test.ts). */
export function isFloatCase({ inputs, output }: OpCase): boolean {
  return [...inputs, output].every(({ dtype }) => dtype === "float32");
}

/** Ops without a kernel. */
export const GPUJS_DECLINES: readonly string[] = ["ConvTranspose2D", "Resize"];
