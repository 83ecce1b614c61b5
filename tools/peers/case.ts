/** One model in one precision, as files that every host can read: what the process that prepares hands to the hosts. */
import type { DType } from "../../src/graph/dtype.ts";
import type { Shape } from "../../src/graph/ir.ts";
import type { Format } from "./peer.ts";

export interface TensorFile {
  readonly file: string;
  readonly dtype: DType;
  readonly shape: Shape;
}

/** A model in a format, and its inputs in the layout that the format stands for; or why there is none. */
export type Form = { readonly file: string; readonly inputs: readonly TensorFile[] } | { readonly reason: string };

export interface ExpectedOutput extends TensorFile {
  /** Largest difference from what the CPU engine computes that is granted to a peer. */
  readonly tolerance: number;
  /** And to our own engine: 0 on integers. */
  readonly ownTolerance: number;
}

export interface PeerCase {
  readonly id: string;
  readonly title: string;
  readonly precision: "f32" | "int8";
  /** Multiply-adds of one inference. */
  readonly macs: number;
  readonly forms: Readonly<Record<Format, Form>>;
  readonly outputs: readonly ExpectedOutput[];
  /** What the reader should know about the model: random weights, quantized here, …. */
  readonly notes: readonly string[];
}
