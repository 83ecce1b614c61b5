/**
 * Dense candidates of an integer layer where the relaxed dot product is exact for unsigned × signed bytes. Inputs are read as they are
 * stored when they are uint8 and need no border, otherwise from a copy in unsigned form; the weights take the shift into their bias. On
 * Node 24 (V8 13.6 with AVX-VNNI, 2026-11) 2.1 times as fast as int16 pairs.
 */
import { areSignedBytes, packDot } from "../../pack-dot.ts";
import type { KernelCall, PlanContext } from "../../program.ts";
import { padRecord } from "../../records.ts";
import type { Candidate, Estimate } from "../candidates.ts";
import { isPadded, rowBlock } from "../windows.ts";
import { OVERRUN_BYTES, biasOf, postOf } from "./problem.ts";
import type { IntegerProblem } from "./problem.ts";

const ESTIMATE: Estimate = { cost: 0.47, why: "dense weights, 8-bit dot product" };
/** Turns int8 into uint8, 128 higher. */
const FLIP = 0x80;

function unsignedZeroPoint({ inputZeroPoint, isSigned }: IntegerProblem): number {
  return isSigned ? inputZeroPoint + 128 : inputZeroPoint;
}

/** The copy that windows read, where they cannot read the input itself: its bytes, and the call that fills it. */
function unsignedInput(
  context: PlanContext,
  problem: IntegerProblem,
): { readonly bytes: number; readonly call: (to: number) => KernelCall } | undefined {
  const { shape, pads, isSigned, input } = problem;
  if (!isSigned && !isPadded(pads)) return undefined;
  const [n = 1, h = 1, w = 1, c = 1] = shape;
  // Without padding the image is one long row.
  const geometry = isPadded(pads) ? padRecord([n, h, w, c], pads, 1) : padRecord([1, 1, n * h * w, c], pads, 1);
  const record = context.table(geometry);
  const args = [record, unsignedZeroPoint(problem), isSigned ? FLIP : 0];
  return {
    bytes: n * (h + pads[0] + pads[2]) * (w + pads[1] + pads[3]) * c + OVERRUN_BYTES,
    call: (to) => ({ kernel: "i8_unsign_rows__wasm_relaxed", args: [input, to, ...args] }),
  };
}

function dot(kernel: string, access: "rows" | "windows"): Candidate<IntegerProblem> {
  return {
    kernel,
    requires: ["relaxed-dot"],
    sparse: false,
    estimate: ({ windows, weights }) =>
      (windows.stride === undefined) === (access === "windows") && areSignedBytes(weights) ? ESTIMATE : undefined,
    plan(context, problem) {
      const { windows, groups, n, k, weights, finish, output, input } = problem;
      const { m, run, segments } = windows;
      const post = postOf(context, problem);
      const bias = biasOf(problem);
      const zeroPoint = unsignedZeroPoint(problem);
      const packed = Array.from({ length: groups }, (_, g) => {
        const rows = [g * n, (g + 1) * n] as const;
        const matrix = { data: weights, offset: g * n * k, n, k };
        return context.weights(packDot(matrix, segments.length, bias.subarray(...rows), finish.scales.subarray(...rows), zeroPoint));
      });
      const copy = unsignedInput(context, problem);
      const mb = rowBlock(m, k);
      // The windows are planned for int16; bytes lie at half the distance.
      const halve = (offsets: Int32Array): number => context.table(offsets.map((offset) => offset / 2));
      const where = windows.stride === undefined ? [halve(windows.rows), halve(segments), segments.length] : [windows.stride / 2];
      return {
        kernel,
        scratchBytes: copy?.bytes ?? 0,
        calls: (scratch) => [
          ...(copy === undefined ? [] : [copy.call(scratch)]),
          ...packed.map((w, g): KernelCall => {
            const from = (copy === undefined ? input : scratch) + g * run;
            return { kernel, args: [from, ...where, Math.ceil(run / 4), w, output + g * n, groups * n, m, n, mb, post] };
          }),
        ],
      };
    },
  };
}

export const RELAXED_I8: readonly Candidate<IntegerProblem>[] = [
  dot("i8_gemm_dot_4x8__wasm_relaxed", "rows"),
  dot("i8_conv_dot_4x8__wasm_relaxed", "windows"),
];
