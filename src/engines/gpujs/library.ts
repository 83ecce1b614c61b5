/** gpu.js itself: loaded when first needed, and described as far as we use it (its own types want a browser's). */
import { UnavailableError } from "../../errors.ts";

export interface GpuSettings {
  readonly mode?: "cpu" | "webgl2";
  readonly canvas?: object;
  readonly context?: object;
}

export interface KernelSettings {
  readonly output: readonly number[];
  readonly constants: Readonly<Record<string, number>>;
  readonly constantTypes: Readonly<Record<string, "Integer">>;
  /** The result stays where it was computed, and is the same object each time. */
  readonly pipeline: true;
  readonly precision: "single";
  /** `precision`: every number in GLSL is highp. */
  readonly tactic: "precision";
  /** Four elements a texel. */
  readonly optimizeFloatMemory: boolean;
  readonly loopMaxIterations: number;
}

/** What a kernel gives on WebGL, as far as we look into it. */
export interface GpuTexture {
  readonly texture: object;
  /** Width and height in texels. */
  readonly size: ArrayLike<number>;
}

export interface CompiledKernel {
  (...inputs: readonly unknown[]): unknown;
  destroy(): void;
}

export interface GpuInstance {
  addFunction(source: string, settings: { readonly argumentTypes: Readonly<Record<string, string>>; readonly returnType: string }): void;
  addNativeFunction(name: string, source: string): void;
  createKernel(source: string, settings: KernelSettings): CompiledKernel;
}

export interface GpuJs {
  readonly GPU: new (settings: GpuSettings) => GpuInstance;
}

/** @throws UnavailableError when the package is not installed, or does not load */
export async function loadGpuJs(engine: string, load: () => Promise<unknown> = () => import("gpu.js")): Promise<GpuJs> {
  let module: unknown;
  try {
    module = await load();
  } catch (error) {
    const said = error instanceof Error ? error.message.split("\n")[0] : String(error);
    throw new UnavailableError("no-gpujs", `${engine}: gpu.js does not load, got: ${said ?? ""}`, "Run npm install gpu.js", error);
  }
  const found = [module, (module as { readonly default?: unknown }).default].find(
    (candidate): candidate is GpuJs => typeof (candidate as Partial<GpuJs> | undefined)?.GPU === "function",
  );
  if (found === undefined) {
    throw new UnavailableError("no-gpujs", `${engine}: this gpu.js has no GPU class`, "Install version 2.24 of gpu.js or newer");
  }
  return found;
}
