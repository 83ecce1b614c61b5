/** ONNX Runtime: the WASM and WebGPU builds (onnxruntime-web) and the native one (onnxruntime-node): one interface. One thread, all optimizations. */
import type { TypedArray } from "../../src/graph/dtype.ts";
import type { Peer } from "./peer.ts";

/** The part of the `onnxruntime-*` packages that is used here. */
export interface OrtModule {
  readonly InferenceSession: { create(model: Uint8Array, options: OrtOptions): Promise<OrtSession> };
  readonly Tensor: new (type: string, data: TypedArray, dims: readonly number[]) => unknown;
}

interface OrtOptions {
  readonly executionProviders: readonly string[];
  readonly graphOptimizationLevel: "all";
  readonly executionMode: "sequential";
  readonly intraOpNumThreads: number;
  readonly interOpNumThreads: number;
}

interface OrtSession {
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];
  run(feeds: Readonly<Record<string, unknown>>): Promise<Readonly<Record<string, { readonly data: unknown }>>>;
  release(): Promise<void>;
}

export function ortPeer(name: string, ort: OrtModule, provider: "wasm" | "webgpu" | "cpu"): Peer {
  return {
    name,
    format: "onnx",
    async open(model, inputs) {
      const session = await ort.InferenceSession.create(model, {
        executionProviders: [provider],
        graphOptimizationLevel: "all",
        executionMode: "sequential",
        intraOpNumThreads: 1,
        interOpNumThreads: 1,
      });
      const feeds = Object.fromEntries(
        session.inputNames.map((input, i) => {
          const { dtype, data, shape } = inputs[i]!;
          return [input, new ort.Tensor(dtype, data, shape)] as const;
        }),
      );
      return {
        async run() {
          const results = await session.run(feeds);
          return session.outputNames.map((output) => results[output]!.data as TypedArray);
        },
        dispose: () => session.release(),
      };
    },
  };
}
