/**
 * LiteRT.js, TFLite's successor in the browser: XNNPACK in WASM, with relaxed SIMD where the host has it. Its tensors are freed by hand,
 * and it takes float32, int32 and uint8 at the border only.
 */
import type { CompiledModel, Tensor } from "@litertjs/core";
import { NotTaken, type Peer } from "./peer.ts";

export interface LiteRtModule {
  readonly loadAndCompile: (
    model: Uint8Array,
    options: { readonly accelerator: "wasm"; readonly cpuOptions: { readonly numThreads: number } },
  ) => Promise<CompiledModel>;
  readonly Tensor: new (data: Float32Array, shape: number[]) => Tensor;
}

export function litertPeer(litert: LiteRtModule): Peer {
  return {
    name: "litert",
    format: "tflite",
    async open(model, inputs) {
      const values = inputs.map(({ dtype, data, shape }) => {
        if (!(data instanceof Float32Array)) throw new NotTaken(`LiteRT.js takes no ${dtype} inputs`);
        return { data, shape: [...shape] };
      });
      const compiled = await litert.loadAndCompile(model, { accelerator: "wasm", cpuOptions: { numThreads: 1 } });
      return {
        async run() {
          const tensors = values.map(({ data, shape }) => new litert.Tensor(data, shape));
          const results = await compiled.run(tensors);
          for (const tensor of tensors) tensor.delete();
          return results.map((result) => {
            const data = result.toTypedArray();
            result.delete();
            return data;
          });
        },
        dispose: () => compiled.delete(),
      };
    },
  };
}
