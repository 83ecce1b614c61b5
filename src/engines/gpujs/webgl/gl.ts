/** The part of WebGL 2 that we call ourselves, besides gpu.js; engines are compiled without a browser's types. */
export interface Gl {
  readonly TEXTURE_2D: number;
  readonly TEXTURE0: number;
  readonly TEXTURE_MIN_FILTER: number;
  readonly TEXTURE_MAG_FILTER: number;
  readonly TEXTURE_WRAP_S: number;
  readonly TEXTURE_WRAP_T: number;
  readonly NEAREST: number;
  readonly CLAMP_TO_EDGE: number;
  readonly RGBA: number;
  readonly RGBA32F: number;
  readonly FLOAT: number;
  readonly FRAMEBUFFER: number;
  readonly COLOR_ATTACHMENT0: number;
  readonly UNPACK_FLIP_Y_WEBGL: number;
  readonly MAX_TEXTURE_SIZE: number;
  readonly VENDOR: number;
  readonly RENDERER: number;
  readonly VERSION: number;
  readonly SHADING_LANGUAGE_VERSION: number;
  readonly FRAGMENT_SHADER: number;
  readonly HIGH_FLOAT: number;
  readonly NO_ERROR: number;
  readonly OUT_OF_MEMORY: number;
  readonly CONTEXT_LOST_WEBGL: number;
  getExtension(
    name: string,
  ): { readonly loseContext?: () => void; readonly UNMASKED_RENDERER_WEBGL?: number; readonly UNMASKED_VENDOR_WEBGL?: number } | null;
  getParameter(name: number): unknown;
  getShaderPrecisionFormat(shader: number, precision: number): { readonly precision: number; readonly rangeMax: number } | null;
  getError(): number;
  isContextLost(): boolean;
  createTexture(): object | null;
  deleteTexture(texture: object): void;
  bindTexture(target: number, texture: object | null): void;
  activeTexture(unit: number): void;
  texParameteri(target: number, name: number, value: number): void;
  texStorage2D(target: number, levels: number, format: number, width: number, height: number): void;
  texSubImage2D(
    target: number,
    level: number,
    x: number,
    y: number,
    width: number,
    height: number,
    format: number,
    type: number,
    data: Float32Array,
  ): void;
  pixelStorei(name: number, value: boolean): void;
  createFramebuffer(): object | null;
  deleteFramebuffer(framebuffer: object): void;
  bindFramebuffer(target: number, framebuffer: object | null): void;
  framebufferTexture2D(target: number, attachment: number, textureTarget: number, texture: object | null, level: number): void;
  readPixels(x: number, y: number, width: number, height: number, format: number, type: number, into: Float32Array): void;
}

/** A canvas that nobody looks at. */
export interface DrawingSurface {
  getContext(kind: "webgl2", attributes: Readonly<Record<string, boolean | string>>): unknown;
}
