/**
 * Convolution as matrix multiplication: which input positions feed which output positions, and the copy of one panel of patches.
 * A transposed convolution is stride_h × stride_w ordinary ones ("phases"), each over the taps that reach its outputs, so no zero is
 * multiplied. Dense layers are the one-tap case.
 */
import type { Tensor, NodeWith } from "../../../graph/ir.ts";

export interface ConvGeometry {
  readonly batch: number;
  readonly inH: number;
  readonly inW: number;
  /** All input channels; a group reads `groupIn` of them. */
  readonly channels: number;
  readonly outH: number;
  readonly outW: number;
  readonly outChannels: number;
  readonly groups: number;
  readonly groupIn: number;
  readonly groupOut: number;
  /** Taps of the weight tensor, KH*KW. */
  readonly taps: number;
  readonly phases: readonly Phase[];
}

/** Outputs (y0 + i*stepY, x0 + j*stepX), i < rows, j < cols, read inputs (i*inStepY + dy[t], j*inStepX + dx[t]) for each tap t. */
export interface Phase {
  readonly rows: number;
  readonly cols: number;
  readonly y0: number;
  readonly x0: number;
  readonly stepY: number;
  readonly stepX: number;
  readonly inStepY: number;
  readonly inStepX: number;
  readonly dy: Int32Array;
  readonly dx: Int32Array;
  /** Index of each tap in the weight tensor, ky*KW + kx. */
  readonly tap: Int32Array;
  /** Taps t, t+1, … t+run-1 (t a multiple of run) read neighbouring columns and whole pixels: one run of memory. */
  readonly run: number;
  /** A window whose first pixel (0, 0) is at (y, x) lies inside when y + top ≥ 0, x + left ≥ 0, y + bottom < inH, x + right < inW. */
  readonly reach: { readonly top: number; readonly left: number; readonly bottom: number; readonly right: number };
  /** Element offset of each tap from pixel (0, 0) of the window. */
  readonly tapOffset: Int32Array;
}

export function convGeometry(node: NodeWith<"Conv2D">, x: Tensor, w: Tensor, out: Tensor): ConvGeometry {
  const { strides, dilations, pads } = node.attrs;
  const kh = w.shape[1]!;
  const kw = w.shape[2]!;
  const dy: number[] = [];
  const dx: number[] = [];
  for (let ky = 0; ky < kh; ky++) {
    for (let kx = 0; kx < kw; kx++) {
      dy.push(ky * dilations[0] - pads[0]);
      dx.push(kx * dilations[1] - pads[1]);
    }
  }
  const phase: Phase = {
    rows: out.shape[1]!,
    cols: out.shape[2]!,
    y0: 0,
    x0: 0,
    stepY: 1,
    stepX: 1,
    inStepY: strides[0],
    inStepX: strides[1],
    dy: Int32Array.from(dy),
    dx: Int32Array.from(dx),
    tap: Int32Array.from(dy.keys()),
    run: dilations[1] === 1 && node.attrs.groups === 1 ? kw : 1,
    ...reachOf(dy, dx, x),
  };
  return { ...sizes(node.attrs.groups, x, w, out), phases: [phase] };
}

export function convTransposeGeometry(node: NodeWith<"ConvTranspose2D">, x: Tensor, w: Tensor, out: Tensor): ConvGeometry {
  const { strides, dilations, pads } = node.attrs;
  const [sy, sx] = strides;
  const kh = w.shape[1]!;
  const kw = w.shape[2]!;
  const phases: Phase[] = [];
  for (let py = 0; py < sy; py++) {
    for (let px = 0; px < sx; px++) {
      const dy: number[] = [];
      const dx: number[] = [];
      const tap: number[] = [];
      for (let ky = 0; ky < kh; ky++) {
        const fromY = py + pads[0] - ky * dilations[0];
        if (fromY % sy !== 0) continue;
        for (let kx = 0; kx < kw; kx++) {
          const fromX = px + pads[1] - kx * dilations[1];
          if (fromX % sx !== 0) continue;
          dy.push(fromY / sy);
          dx.push(fromX / sx);
          tap.push(ky * kw + kx);
        }
      }
      phases.push({
        rows: Math.max(0, Math.ceil((out.shape[1]! - py) / sy)),
        cols: Math.max(0, Math.ceil((out.shape[2]! - px) / sx)),
        y0: py,
        x0: px,
        stepY: sy,
        stepX: sx,
        inStepY: 1,
        inStepX: 1,
        dy: Int32Array.from(dy),
        dx: Int32Array.from(dx),
        tap: Int32Array.from(tap),
        run: 1,
        ...reachOf(dy, dx, x),
      });
    }
  }
  return { ...sizes(node.attrs.groups, x, w, out), phases };
}

/** x [...,K] as [1,1,M,K]. */
export function denseGeometry(x: Tensor, w: Tensor): ConvGeometry {
  const k = w.shape[1]!;
  const n = w.shape[0]!;
  let m = 1;
  for (let d = 0; d < x.shape.length - 1; d++) m *= x.shape[d]!;
  const phase: Phase = {
    rows: 1,
    cols: m,
    y0: 0,
    x0: 0,
    stepY: 1,
    stepX: 1,
    inStepY: 1,
    inStepX: 1,
    dy: new Int32Array(1),
    dx: new Int32Array(1),
    tap: new Int32Array(1),
    run: 1,
    reach: { top: 0, left: 0, bottom: 0, right: 0 },
    tapOffset: new Int32Array(1),
  };
  return {
    batch: 1,
    inH: 1,
    inW: m,
    channels: k,
    outH: 1,
    outW: m,
    outChannels: n,
    groups: 1,
    groupIn: k,
    groupOut: n,
    taps: 1,
    phases: [phase],
  };
}

function reachOf(dy: readonly number[], dx: readonly number[], x: Tensor): Pick<Phase, "reach" | "tapOffset"> {
  const [, , width = 1, channels = 1] = x.shape;
  return {
    reach: { top: Math.min(0, ...dy), left: Math.min(0, ...dx), bottom: Math.max(0, ...dy), right: Math.max(0, ...dx) },
    tapOffset: Int32Array.from(dy, (y, t) => (y * width + dx[t]!) * channels),
  };
}

function sizes(groups: number, x: Tensor, w: Tensor, out: Tensor): Omit<ConvGeometry, "phases"> {
  const channels = x.shape[3]!;
  const outChannels = out.shape[3]!;
  return {
    batch: x.shape[0]!,
    inH: x.shape[1]!,
    inW: x.shape[2]!,
    channels,
    outH: out.shape[1]!,
    outW: out.shape[2]!,
    outChannels,
    groups,
    groupIn: channels / groups,
    groupOut: outChannels / groups,
    taps: w.shape[1]! * w.shape[2]!,
  };
}

/** True when a patch is one contiguous run of input channels: 1×1 kernels and dense layers. */
export function isPointwise(g: ConvGeometry): boolean {
  return g.taps === 1 && g.phases.length === 1;
}

/** The rows of one phase and group as a matrix [groupOut][taps of the phase × groupIn], in the order in which patches are gathered. */
export function phaseMatrix<T extends Float32Array | Int8Array | Uint8Array>(
  w: T,
  g: ConvGeometry,
  phase: Phase,
  group: number,
  create: (length: number) => T,
): T {
  const taps = phase.tap.length;
  const matrix = create(g.groupOut * taps * g.groupIn);
  let to = 0;
  for (let o = 0; o < g.groupOut; o++) {
    for (let t = 0; t < taps; t++) {
      const from = ((group * g.groupOut + o) * g.taps + phase.tap[t]!) * g.groupIn;
      for (let c = 0; c < g.groupIn; c++) matrix[to++] = w[from + c]!;
    }
  }
  return matrix;
}
