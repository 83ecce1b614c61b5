/**
 * What a runtime must offer to be compared: open a model with fixed inputs, run it (inputs copied in and outputs copied out every time),
 * let go. The same code runs in Node and in a page; what differs between the two (where files are, how scripts load) is in each host.
 */
import type { DType, TypedArray } from "../../src/graph/dtype.ts";
import type { Shape } from "../../src/graph/ir.ts";
import type { NodeProfile } from "../../src/engines/engine.ts";

/** The form in which a runtime takes a model; `graph` is our own. */
export type Format = "graph" | "onnx" | "tflite";

export interface InputValue {
  readonly dtype: DType;
  readonly shape: Shape;
  readonly data: TypedArray;
}

export interface Runner {
  /** One inference: inputs in, outputs out as arrays that outlive the next call. */
  run(): Promise<readonly TypedArray[]> | readonly TypedArray[];
  /** Time per node of one instrumented run; ours only. */
  profile?(): Promise<readonly NodeProfile[]>;
  dispose(): void | Promise<void>;
}

export interface Peer {
  readonly name: string;
  readonly format: Format;
  open(model: Uint8Array, inputs: readonly InputValue[]): Promise<Runner>;
}

/** Thrown by `open` for what a runtime does not take at all: no failure, just not compared. */
export class NotTaken extends Error {}

/** A runtime that is loaded when its first model is opened, so that one that cannot be loaded fails its cases and nothing else. */
export function lazyPeer(name: string, format: Format, load: () => Promise<Peer>): Peer {
  let loaded: Promise<Peer> | undefined;
  return {
    name,
    format,
    async open(model, inputs) {
      loaded ??= load();
      return (await loaded).open(model, inputs);
    },
  };
}
