/** Options of a `webgpu` target: they force one of several kernels, for measurements and tests. */
import { UsageError } from "../../errors.ts";
import { KERNEL_OPTION, parseForced } from "../candidates.ts";
import type { EngineOptions } from "../engine.ts";

export interface WebGpuOptions {
  /** Dense float and 8-bit kernels, where one of the kind applies. `tiled`: workgroup memory; `split`: k over threads or workgroups; `direct`: registers only. */
  readonly gemm: "auto" | "tiled" | "split" | "direct";
  /** `native`: dot4I8Packed; `unpack`: its twin. auto: native where the language has it. */
  readonly dot4: "auto" | "native" | "unpack";
  /** `on`: kernels that skip zeros for all constant weights; `off`: never. auto: where enough are zero. */
  readonly sparse: "auto" | "on" | "off";
  /** `on`: weights with a compact code stay in it wherever a kernel can; `off`: they are expanded. auto: unless that takes much longer. */
  readonly coded: "auto" | "on" | "off";
  /** Kernels to run with wherever they can execute a layer. */
  readonly kernel?: readonly string[];
}

type Choices = Omit<WebGpuOptions, typeof KERNEL_OPTION>;

const CHOICES: { readonly [K in keyof Choices]: readonly Choices[K][] } = {
  gemm: ["auto", "tiled", "split", "direct"],
  dot4: ["auto", "native", "unpack"],
  sparse: ["auto", "on", "off"],
  coded: ["auto", "on", "off"],
};

function choose<K extends keyof Choices>(key: K, value: string | undefined): Choices[K] {
  const choices: readonly Choices[K][] = CHOICES[key];
  const chosen = choices.find((choice) => choice === (value ?? "auto"));
  if (chosen === undefined) throw new UsageError(`target webgpu: option ${key}, got "${value ?? ""}", expected ${choices.join(", ")}`);
  return chosen;
}

/** @throws UsageError for a key or value that the engine does not know */
export function parseOptions(options: EngineOptions): WebGpuOptions {
  for (const key of Object.keys(options)) {
    if (!Object.hasOwn(CHOICES, key) && key !== KERNEL_OPTION)
      throw new UsageError(
        `target webgpu: unknown option "${key}", expected one of ${[...Object.keys(CHOICES), KERNEL_OPTION].join(", ")}`,
      );
  }
  return {
    gemm: choose("gemm", options["gemm"]),
    dot4: choose("dot4", options["dot4"]),
    sparse: choose("sparse", options["sparse"]),
    coded: choose("coded", options["coded"]),
    kernel: parseForced("webgpu", options[KERNEL_OPTION]),
  };
}
