/**
 * TFLite as TensorFlow.js ships it: XNNPACK in WASM with plain SIMD. Called through the client that the package brings, without tensors
 * of TensorFlow.js around it: the faster way to use it.
 */
import type { TypedArray } from "../../src/graph/dtype.ts";
import type { Peer } from "./peer.ts";

interface TfliteTensorInfo {
  readonly dataType: string;
  /** A view of WASM memory, valid until that grows. */
  data(): TypedArray;
}

interface TfliteRunner {
  getInputs(): readonly TfliteTensorInfo[];
  getOutputs(): readonly TfliteTensorInfo[];
  infer(): boolean;
  cleanUp(): void;
}

/** The global that the package's client defines. */
export interface TfliteClient {
  readonly tflite_web_api: { setWasmPath(path: string): void; getWasmFeatures(): Promise<unknown> };
  readonly TFLiteWebModelRunner: { create(model: ArrayBuffer, options: { readonly numThreads: number }): Promise<TfliteRunner> };
}

export function tfjsTflitePeer(client: TfliteClient): Peer {
  return {
    name: "tfjs-tflite",
    format: "tflite",
    async open(model, inputs) {
      const runner = await client.TFLiteWebModelRunner.create(model.slice().buffer, { numThreads: 1 });
      const [to, from] = [runner.getInputs(), runner.getOutputs()];
      return {
        run() {
          inputs.forEach(({ data }, i) => to[i]!.data().set(data));
          if (!runner.infer()) throw new Error("tfjs-tflite: the inference failed");
          return from.map((output) => output.data().slice());
        },
        dispose: () => runner.cleanUp(),
      };
    },
  };
}
