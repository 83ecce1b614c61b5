/** Integer layers that requantize in fixed point: the generated ones again in both roundings, and sums that are ties or leave the range. */
import type { OpAttrs, Rounding } from "../../src/graph/ir.ts";
import { Maker, generatedCases, grid } from "./generated.ts";
import type { OpCase } from "./vectors.ts";

export const ROUNDINGS: readonly Rounding[] = ["double", "single"];
const OPS = ["Conv2D", "DepthwiseConv2D", "ConvTranspose2D", "Dense"] as const;
type LayerOp = (typeof OPS)[number];

function isByteLayer({ op, inputs, output }: OpCase): boolean {
  const isByte = (dtype: string | undefined): boolean => dtype === "int8" || dtype === "uint8";
  return (
    OPS.some((known) => known === op) &&
    isByte(inputs[0]?.dtype) &&
    isByte(inputs[1]?.dtype) &&
    isByte(output.dtype) &&
    output.quant !== undefined
  );
}

function rounded(opCase: OpCase, rounding: Rounding): OpCase {
  const { op, inputs, output } = opCase;
  return { op, inputs, output, name: `rounding=${rounding} ${opCase.name}`, attrs: { ...(opCase.attrs as OpAttrs[LayerOp]), rounding } };
}

/** Scales whose quotients are powers of two, so that every second, fourth, … sum is a tie, or beyond the output's range. */
const TIE_SCALES = [0.5, 0.25, 2 ** -7, 2 ** -12, 1, 8, 2 ** 20, 2 ** -40] as const;
const CONV = { strides: [1, 1], dilations: [1, 1], pads: [1, 1, 1, 1], groups: 1 } as const;

function ties(op: "Conv2D" | "DepthwiseConv2D" | "Dense", scale: number, rounding: Rounding, seed: number): OpCase {
  const make = new Maker("int8", seed);
  const channels = 9;
  const shape = op === "Dense" ? [channels, 5] : op === "Conv2D" ? [channels, 3, 3, 3] : [1, 3, 3, channels];
  const axis = op === "DepthwiseConv2D" ? 3 : 0;
  const per = Float32Array.from({ length: channels }, (_, c) => scale * 2 ** -(c % 3));
  const x = make.activation(op === "Dense" ? [37, 5] : [1, 6, 7, op === "Conv2D" ? 3 : channels]);
  const weights = { ...make.weights(shape, axis), quant: { scales: per, zeroPoints: new Int32Array(channels), axis } };
  return {
    op,
    name: `rounding=${rounding} ties scale=${scale} seed=${seed}`,
    attrs: { ...(op === "Dense" ? {} : CONV), ...make.clamp(), rounding },
    inputs: [{ ...x, quant: grid(1, 3) }, weights, make.bias(channels)],
    output: { dtype: "int8", shape: op === "Dense" ? [37, channels] : [1, 6, 7, channels], quant: grid(1, -5) },
  };
}

export function fixedPointCases(): OpCase[] {
  const generated = generatedCases()
    .filter(isByteLayer)
    .map((opCase, i) => rounded(opCase, ROUNDINGS[i % 2]!));
  let seed = 0;
  const made = (["Conv2D", "DepthwiseConv2D", "Dense"] as const).flatMap((op) =>
    TIE_SCALES.flatMap((scale) => ROUNDINGS.map((rounding) => ties(op, scale, rounding, seed++))),
  );
  return [...generated, ...made];
}
