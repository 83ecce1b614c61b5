/** A WebGL 2 context with float textures, and what it says about itself. */
import { UnavailableError } from "../../../errors.ts";
import type { EngineContext } from "../../engine.ts";
import { isSoftwareAdapter } from "../../webgpu/device.ts";
import type { DrawingSurface, Gl } from "./gl.ts";

export interface OpenedContext {
  readonly canvas: DrawingSurface;
  readonly gl: Gl;
}

/** Bits of a float's fraction in shaders. */
const FLOAT32_BITS = 23;

/** @throws UnavailableError where there is no WebGL 2, or none with 32-bit floats */
export function openWebgl(context: EngineContext): OpenedContext {
  if (context.createCanvas === undefined) {
    throw new UnavailableError("no-webgl", "webgl: this host has no WebGL, which is a browser's", "Use webgl@chrome");
  }
  const canvas = context.createCanvas();
  const gl = canvas.getContext("webgl2", {
    alpha: false,
    depth: false,
    antialias: false,
    powerPreference: "high-performance",
  }) as Gl | null;
  if (gl === null) {
    throw new UnavailableError(
      "no-webgl",
      "webgl: the browser gives no WebGL 2 context",
      "Update the graphics driver, or use another browser with --browser PATH",
    );
  }
  const bits = gl.getShaderPrecisionFormat(gl.FRAGMENT_SHADER, gl.HIGH_FLOAT)?.precision ?? 0;
  if (gl.getExtension("EXT_color_buffer_float") === null || bits < FLOAT32_BITS) {
    const what = bits < FLOAT32_BITS ? `shaders compute with ${bits} bits of fraction` : "textures of 32-bit floats cannot be written";
    closeWebgl(gl);
    throw new UnavailableError(
      "no-float-textures",
      `webgl: ${what}, expected ${FLOAT32_BITS} bits and EXT_color_buffer_float`,
      "Use wasm@chrome",
    );
  }
  return { canvas, gl };
}

/** Browsers keep few contexts at a time: one that is not given back costs another page its own. */
export function closeWebgl(gl: Gl): void {
  gl.getExtension("WEBGL_lose_context")?.loseContext?.();
}

function text(gl: Gl, name: number | undefined): string {
  const value = name === undefined ? null : gl.getParameter(name);
  return typeof value === "string" ? value : "";
}

/** Facts for `environment`. */
export function webglFacts(gl: Gl): Readonly<Record<string, string | number | boolean>> {
  const debug = gl.getExtension("WEBGL_debug_renderer_info");
  const renderer = text(gl, debug?.UNMASKED_RENDERER_WEBGL) || text(gl, gl.RENDERER);
  const vendor = text(gl, debug?.UNMASKED_VENDOR_WEBGL) || text(gl, gl.VENDOR);
  const high = gl.getShaderPrecisionFormat(gl.FRAGMENT_SHADER, gl.HIGH_FLOAT);
  const adapter = { vendor, device: renderer, architecture: "", description: "", isFallbackAdapter: false };
  return {
    vendor,
    description: renderer,
    version: text(gl, gl.VERSION),
    shadingLanguage: text(gl, gl.SHADING_LANGUAGE_VERSION),
    software: isSoftwareAdapter(adapter),
    precision: "float32",
    textureBits: 32,
    fractionBits: high?.precision ?? 0,
    maxTextureSize: Number(gl.getParameter(gl.MAX_TEXTURE_SIZE)),
  };
}
