/**
 * LiteRT.js, TFLite's successor in the browser: XNNPACK in WASM, with relaxed SIMD where the host has it, or its WebGPU delegate. Its
 * tensors are freed by hand, and it takes float32, int32 and uint8 at the border only.
 */
import type { CompiledModel, Tensor } from "@litertjs/core";
import { NotTaken, type Peer } from "./peer.ts";

export interface LiteRtModule {
  readonly loadAndCompile: (
    model: Uint8Array,
    options: {
      readonly accelerator: "wasm" | "webgpu";
      readonly cpuOptions?: { readonly numThreads: number };
      readonly gpuOptions?: { readonly precision: "fp32" };
    },
  ) => Promise<CompiledModel>;
  readonly Tensor: new (data: Float32Array, shape: number[]) => Tensor;
}

/** Float arithmetic in float32, as ours: float16 is the delegate's default where the device has it. */
const OPTIONS = {
  wasm: { accelerator: "wasm", cpuOptions: { numThreads: 1 } },
  webgpu: { accelerator: "webgpu", gpuOptions: { precision: "fp32" } },
} as const;

export function litertPeer(litert: LiteRtModule, accelerator: "wasm" | "webgpu"): Peer {
  return {
    name: "litert",
    format: "tflite",
    async open(model, inputs) {
      const values = inputs.map(({ dtype, data, shape }) => {
        if (!(data instanceof Float32Array)) throw new NotTaken(`LiteRT.js takes no ${dtype} inputs`);
        return { data, shape: [...shape] };
      });
      const compiled = await litert.loadAndCompile(model, OPTIONS[accelerator]);
      // It may have fallen back to WASM by itself, which is not what is to be compared.
      if (accelerator === "webgpu" && !compiled.isFullyAccelerated) {
        compiled.delete();
        throw new NotTaken("LiteRT.js's WebGPU delegate does not take the whole model");
      }
      return {
        async run() {
          const tensors = values.map(({ data, shape }) => new litert.Tensor(data, shape));
          const results = await compiled.run(tensors);
          for (const tensor of tensors) tensor.delete();
          return Promise.all(
            results.map(async (result) => {
              const here = accelerator === "webgpu" ? await result.moveTo("wasm") : result;
              const data = here.toTypedArray();
              here.delete();
              return data;
            }),
          );
        },
        dispose: () => compiled.delete(),
      };
    },
  };
}
