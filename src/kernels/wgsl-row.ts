/** A row of the WGSL catalogue: which file of shaders/ with which substitutions a kernel is. */
import type { OpName } from "../graph/ir.ts";
import type { KernelRow } from "./names.ts";

export interface WgslKernel extends KernelRow {
  readonly ops: readonly OpName[];
  /** File of shaders/; absent where nothing is dispatched. */
  readonly file?: string;
  /** Values of the file's `#param`s. */
  readonly params: Readonly<Record<string, string>>;
}

export function wgslRow(
  name: string,
  ops: readonly OpName[],
  file: string,
  params: Readonly<Record<string, string>>,
  about: string,
  requires: readonly string[] = [],
): WgslKernel {
  return { name, engine: "wgsl", ops, requires, about, file: `${file}.wgsl`, params };
}
