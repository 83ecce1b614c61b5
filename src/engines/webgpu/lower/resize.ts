/** Resize: nearest as an index map an axis; linear and cubic one axis a pass, with indices and weights made here in double precision. */
import { outputTensor, requireInput } from "../../../graph/access.ts";
import { elementCount } from "../../../graph/dtype.ts";
import type { NodeWith, ResizeAttrs } from "../../../graph/ir.ts";
import { u } from "../step.ts";
import { formatOf } from "../storage.ts";
import { sameGrid } from "./context.ts";
import type { Lowering } from "./context.ts";
import { lowerMapped, lowerView } from "./move.ts";

/** Position in the input's coordinates of output index i along an axis. */
function sourceCoordinate(attrs: ResizeAttrs, axis: number, i: number, inSize: number, outSize: number): number {
  const scale = attrs.scales[axis]!;
  // When the file gives sizes, the scale is their rounded ratio: take the length it stands for.
  const exact = scale * inSize;
  const length = Math.abs(exact - outSize) < 1e-4 * outSize ? outSize : exact;
  switch (attrs.coordinates) {
    case "half_pixel":
      return (i + 0.5) / scale - 0.5;
    case "half_pixel_symmetric":
      return (inSize / 2) * (1 - outSize / length) + (i + 0.5) / scale - 0.5;
    case "pytorch_half_pixel":
      return outSize > 1 ? (i + 0.5) / scale - 0.5 : 0;
    case "align_corners":
      return length === 1 ? 0 : (i * (inSize - 1)) / (length - 1);
    case "asymmetric":
      return i / scale;
  }
}

function nearest(attrs: ResizeAttrs, x: number): number {
  switch (attrs.nearestMode) {
    case "round_prefer_floor":
      return Math.ceil(x - 0.5);
    case "round_prefer_ceil":
      return Math.floor(x + 0.5);
    case "floor":
      return Math.floor(x);
    case "ceil":
      return Math.ceil(x);
  }
}

function clampIndex(i: number, size: number): number {
  return Math.min(size - 1, Math.max(0, i));
}

/** Keys' cubic convolution, for the four neighbours of a position `r` past the second of them. */
function cubicWeights(r: number, a: number): number[] {
  const near = (t: number): number => ((a + 2) * t - (a + 3)) * t * t + 1;
  const far = (t: number): number => ((a * t - 5 * a) * t + 8 * a) * t - 4 * a;
  return [far(1 + r), near(r), near(1 - r), far(2 - r)];
}

interface AxisTaps {
  readonly taps: number;
  readonly indices: Uint32Array;
  readonly weights: Float32Array;
}

function axisTaps(attrs: ResizeAttrs, axis: number, inSize: number, outSize: number): AxisTaps {
  const cubic = attrs.mode === "cubic";
  const taps = cubic ? 4 : 2;
  const indices = new Uint32Array(outSize * taps);
  const weights = new Float32Array(outSize * taps);
  for (let i = 0; i < outSize; i++) {
    const x = sourceCoordinate(attrs, axis, i, inSize, outSize);
    const floor = Math.floor(x);
    const first = cubic ? floor - 1 : floor;
    const all = cubic ? cubicWeights(x - floor, attrs.cubicCoeff) : [1 - (x - floor), x - floor];
    const kept = all.map((w, t) => (attrs.excludeOutside && (first + t < 0 || first + t >= inSize) ? 0 : w));
    const total = attrs.excludeOutside ? kept.reduce((sum, w) => sum + w, 0) : 1;
    kept.forEach((w, t) => {
      indices[i * taps + t] = clampIndex(first + t, inSize);
      weights[i * taps + t] = total === 0 ? w : w / total;
    });
  }
  return { taps, indices, weights };
}

export function lowerResize(c: Lowering, node: NodeWith<"Resize">): void {
  const x = requireInput(c.graph, node, 0);
  const out = outputTensor(c.graph, node);
  const { attrs } = node;
  if (!sameGrid(x, out)) throw c.unsupported("different grids of input and output, expected the same", "Insert a Requantize node.");
  if (attrs.mode === "nearest") {
    const maps = out.shape.map((size, d) =>
      Array.from({ length: size }, (_, i) => clampIndex(nearest(attrs, sourceCoordinate(attrs, d, i, x.shape[d]!, size)), x.shape[d]!)),
    );
    lowerMapped(c, x, out, maps, 0);
    return;
  }
  if (formatOf(x) !== "f32")
    throw c.unsupported(`${attrs.mode} resize of ${x.dtype}, expected float32`, "Use nearest, or leave this node in float32.");
  const axes = out.shape.flatMap((size, d) => (size === x.shape[d] && attrs.scales[d] === 1 ? [] : [d]));
  if (axes.length === 0) {
    lowerView(c, x, out);
    return;
  }
  const shape = [...x.shape];
  let source = c.operand(x);
  axes.forEach((d, pass) => {
    const inSize = shape[d]!;
    const outSize = out.shape[d]!;
    const inner = elementCount(shape.slice(d + 1));
    shape[d] = outSize;
    const threads = elementCount(shape);
    const target = pass === axes.length - 1 ? out.name : c.scratch(`pass${pass}`, threads);
    const { taps, indices, weights } = axisTaps(attrs, d, inSize, outSize);
    const inputs = [source, c.constant("indices", indices), c.constant("weights", weights)];
    c.flat({ kernel: "f32_resize_taps__wgsl", params: u(threads, inSize, outSize, inner, taps), inputs, output: target, threads });
    source = { kind: "tensor", name: target };
  });
}
