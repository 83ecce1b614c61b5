/**
 * gpu.js on WebGL 2. Every tensor is a texture of four float32 elements a texel, in the tensor's own order, so that kernels may read it by
 * element or by texel and a reshape costs nothing. gpu.js compiles and draws, and owns the outputs' textures; inputs and weights are
 * uploaded here, once a write, and outputs read back here.
 */
import { DeviceLimitError, SlimbenchError, invariant } from "../../../errors.ts";
import type { Backend, CompiledCall, Storage } from "../backend.ts";
import { kernelSettings, kernelText } from "../kernel-text.ts";
import { HELPERS } from "../kernels/helpers.ts";
import type { CompiledKernel, GpuInstance, GpuJs, GpuTexture } from "../library.ts";
import type { Call } from "../lower/context.ts";
import { closeWebgl } from "./device.ts";
import type { OpenedContext } from "./device.ts";
import type { Gl } from "./gl.ts";

const TEXEL = 4;
const BYTES = 4;

/** A texture as an argument of a gpu.js kernel, which looks at exactly these properties. */
class TextureView {
  readonly type: "MemoryOptimizedNumberTexture" | "ArrayTexture(4)";
  readonly texture: object;
  readonly size: readonly number[];
  readonly dimensions: readonly number[];
  readonly output: readonly number[];
  readonly context: Gl;

  constructor(type: TextureView["type"], texture: object, size: readonly number[], length: number, context: Gl) {
    this.type = type;
    this.texture = texture;
    this.size = size;
    this.dimensions = [length, 1, 1];
    this.output = [length];
    this.context = context;
  }
}

export interface TextureStorage extends Storage {
  readonly texture: object;
  readonly width: number;
  readonly height: number;
  readonly byElement: TextureView;
  readonly byTexel: TextureView;
}

export class WebglBackend implements Backend<TextureStorage> {
  readonly #opened: OpenedContext;
  readonly #gpu: GpuInstance;
  readonly #maxSize: number;
  readonly #textures: object[] = [];
  readonly #kernels: CompiledKernel[] = [];
  readonly #framebuffer: object;
  #disposed = false;

  /** Takes over the context. */
  constructor({ GPU }: GpuJs, opened: OpenedContext) {
    const { gl, canvas } = opened;
    this.#opened = opened;
    this.#gpu = new GPU({ mode: "webgl2", canvas, context: gl });
    for (const { name, glsl } of HELPERS) this.#gpu.addNativeFunction(name, glsl);
    this.#maxSize = Number(gl.getParameter(gl.MAX_TEXTURE_SIZE));
    const framebuffer = gl.createFramebuffer();
    invariant(framebuffer !== null, "no WebGL framebuffer");
    this.#framebuffer = framebuffer;
  }

  get #gl(): Gl {
    return this.#opened.gl;
  }

  upload(data: Float32Array): TextureStorage {
    const storage = this.allocate(data.length);
    this.write(storage, data);
    return storage;
  }

  allocate(elements: number): TextureStorage {
    const gl = this.#gl;
    const texels = Math.max(1, Math.ceil(elements / TEXEL));
    const width = Math.ceil(Math.sqrt(texels));
    const height = Math.ceil(texels / width);
    this.#checkSize(width, `a texture of ${elements} elements`);
    const texture = gl.createTexture();
    invariant(texture !== null, "no WebGL texture");
    this.#textures.push(texture);
    this.#bind(texture);
    for (const name of [gl.TEXTURE_MIN_FILTER, gl.TEXTURE_MAG_FILTER]) gl.texParameteri(gl.TEXTURE_2D, name, gl.NEAREST);
    for (const name of [gl.TEXTURE_WRAP_S, gl.TEXTURE_WRAP_T]) gl.texParameteri(gl.TEXTURE_2D, name, gl.CLAMP_TO_EDGE);
    gl.texStorage2D(gl.TEXTURE_2D, 1, gl.RGBA32F, width, height);
    return this.#storage(texture, elements, width, height);
  }

  write(storage: TextureStorage, data: Float32Array): void {
    const gl = this.#gl;
    const { texture, width, height } = storage;
    const whole = width * height * TEXEL;
    let padded = data;
    if (data.length < whole) {
      padded = new Float32Array(whole);
      padded.set(data);
    }
    this.#bind(texture);
    gl.pixelStorei(gl.UNPACK_FLIP_Y_WEBGL, false);
    gl.texSubImage2D(gl.TEXTURE_2D, 0, 0, 0, width, height, gl.RGBA, gl.FLOAT, padded);
  }

  compile(call: Call, inputs: readonly TextureStorage[]): CompiledCall<TextureStorage> {
    const outputs = call.texels ? Math.ceil(call.elements / TEXEL) : call.elements;
    this.#checkSize(Math.ceil(Math.sqrt(call.elements / TEXEL)), `kernel ${call.kernel} with an output of ${call.elements} elements`);
    const kernel = this.#gpu.createKernel(kernelText(call), kernelSettings(call, outputs));
    this.#kernels.push(kernel);
    const args = [...inputs.map((input, i) => (call.inputs[i]!.texels ? input.byTexel : input.byElement)), ...call.numbers];
    // The first call compiles. Where that fails gpu.js would go on with its CPU mode, which gives an array.
    const result = kernel(...args) as Partial<GpuTexture> | undefined;
    invariant(result?.texture !== undefined && result.size !== undefined, `kernel ${call.kernel} does not run on WebGL`);
    const [width, height] = [result.size[0]!, result.size[1]!];
    return { output: this.#storage(result.texture, call.elements, width, height), run: () => kernel(...args) };
  }

  read(storage: TextureStorage): Float32Array {
    const { width, height, elements } = storage;
    return this.#readTexels(storage, width, height).subarray(0, elements).slice();
  }

  /** Reading one texel waits for all that it depends on; browsers do not wait in `finish`. */
  settle(last: TextureStorage): void {
    this.#readTexels(last, 1, 1);
  }

  bytesOf({ width, height }: TextureStorage): number {
    return width * height * TEXEL * BYTES;
  }

  assertUsable(): void {
    const gl = this.#gl;
    const error = gl.getError();
    if (gl.isContextLost() || error === gl.CONTEXT_LOST_WEBGL) {
      throw new SlimbenchError("device-lost", "webgl: the browser lost the WebGL context", {
        remedy: "Run again; if it repeats, the driver crashed or ran out of memory: use a smaller model or another target",
        exitCode: 4,
      });
    }
    if (error === gl.OUT_OF_MEMORY) {
      throw new SlimbenchError("gpu-out-of-memory", "webgl: the GPU has no memory left", {
        remedy: "Use a smaller model or batch, or another target",
        exitCode: 4,
      });
    }
    invariant(error === gl.NO_ERROR, `webgl reported error 0x${error.toString(16)}`);
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    const gl = this.#gl;
    // With their outputs' textures.
    for (const kernel of this.#kernels.splice(0)) kernel.destroy();
    for (const texture of this.#textures.splice(0)) gl.deleteTexture(texture);
    gl.deleteFramebuffer(this.#framebuffer);
    closeWebgl(gl);
  }

  #storage(texture: object, elements: number, width: number, height: number): TextureStorage {
    const gl = this.#gl;
    const size = [width, height];
    const byElement = new TextureView("MemoryOptimizedNumberTexture", texture, size, elements, gl);
    const byTexel = new TextureView("ArrayTexture(4)", texture, size, Math.ceil(elements / TEXEL), gl);
    return { elements, texture, width, height, byElement, byTexel };
  }

  #bind(texture: object): void {
    const gl = this.#gl;
    gl.activeTexture(gl.TEXTURE0);
    gl.bindTexture(gl.TEXTURE_2D, texture);
  }

  #readTexels({ texture }: TextureStorage, width: number, height: number): Float32Array {
    const gl = this.#gl;
    const result = new Float32Array(width * height * TEXEL);
    gl.bindFramebuffer(gl.FRAMEBUFFER, this.#framebuffer);
    gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.TEXTURE_2D, texture, 0);
    gl.readPixels(0, 0, width, height, gl.RGBA, gl.FLOAT, result);
    return result;
  }

  #checkSize(side: number, what: string): void {
    if (side <= this.#maxSize) return;
    throw new DeviceLimitError(
      `webgl: ${what} exceeds MAX_TEXTURE_SIZE, got ${side}, expected at most ${this.#maxSize}`,
      "use a smaller model or batch, or another target",
    );
  }
}
