/** Unary ops: one loop a float function, a table of 256 entries for 8-bit tensors, of 65,536 for int16. */
import { outputTensor, requireInput } from "../../../graph/access.ts";
import type { UnaryAttrs } from "../../../graph/ir.ts";
import { int16Table, isInt16 } from "../../../graph/int16.ts";
import { unaryTable, unaryValue } from "../../../graph/numerics.ts";
import { clampValue, finishValue } from "./finish.ts";
import { isByte, isQuantized, shortName, unsupported } from "./shared.ts";
import type { CpuKernel, KernelContext } from "./shared.ts";

export function createUnary(context: KernelContext<"Unary">): CpuKernel {
  const { graph, node } = context;
  const x = requireInput(graph, node, 0);
  const out = outputTensor(graph, node);
  const { attrs } = node;
  const base = { weightBytes: 0, packedInputs: [] };
  if (isQuantized(x) || isQuantized(out)) {
    if (isInt16(x) && isInt16(out)) {
      const table = int16Table(attrs, x.quant, out.quant);
      return {
        ...base,
        name: "i16_unary_table__cpu",
        weightBytes: table.byteLength,
        run(inputs, output) {
          const input = inputs[0]!;
          for (let i = 0; i < input.length; i++) output[i] = table[input[i]! & 0xffff]!;
        },
      };
    }
    if (!isByte(x.dtype) || !isByte(out.dtype) || !isQuantized(x) || !isQuantized(out)) {
      throw unsupported(node, `${attrs.fn} of ${x.dtype} to ${out.dtype}, expected both 8-bit with scales, or int16 with zero point 0`);
    }
    const table = unaryTable(attrs, x.quant, x.dtype, out.quant, out.dtype);
    return {
      ...base,
      name: `${shortName(x.dtype)}_unary_table__cpu`,
      weightBytes: table.byteLength,
      run: (inputs, output) => mapTable(inputs[0] as Int8Array, table, output as Int8Array),
    };
  }
  if (x.dtype === "float32" && out.dtype === "float32") {
    const loop = floatLoop(attrs);
    return {
      ...base,
      name: `f32_unary_${attrs.fn}__cpu`,
      run: (inputs, output) => loop(inputs[0] as Float32Array, output as Float32Array),
    };
  }
  return {
    ...base,
    name: "any_unary_general__cpu",
    run(inputs, output) {
      const input = inputs[0]!;
      const whole = x.dtype === "int64";
      for (let i = 0; i < input.length; i++) {
        const y = unaryValue(attrs, input[i]!);
        output[i] = whole ? Math.trunc(y) : y;
      }
    },
  };
}

/** out[i] = table[x[i] & 255] */
export function mapTable(x: Int8Array | Uint8Array, table: Int32Array, out: Int8Array | Uint8Array): void {
  for (let i = 0; i < x.length; i++) out[i] = table[x[i]! & 255]!;
}

function floatLoop(attrs: UnaryAttrs): (x: Float32Array, out: Float32Array) => void {
  switch (attrs.fn) {
    case "relu":
    case "clip": {
      const { min = -Infinity, max = Infinity } = attrs.fn === "relu" ? { min: 0 } : attrs;
      return (x, out) => clip(x, out, min, max);
    }
    case "sigmoid":
      return sigmoid;
    case "hardsigmoid": {
      const { alpha = 0.2, beta = 0.5 } = attrs;
      return (x, out) => hardsigmoid(x, out, alpha, beta);
    }
    case "hardswish":
      return hardswish;
    case "tanh":
      return tanh;
    default:
      return (x, out) => {
        for (let i = 0; i < x.length; i++) out[i] = unaryValue(attrs, x[i]!);
      };
  }
}

function clip(x: Float32Array, out: Float32Array, min: number, max: number): void {
  for (let i = 0; i < x.length; i++) out[i] = clampValue(x[i]!, min, max);
}

function sigmoid(x: Float32Array, out: Float32Array): void {
  for (let i = 0; i < x.length; i++) out[i] = 1 / (1 + Math.exp(-x[i]!));
}

function hardsigmoid(x: Float32Array, out: Float32Array, alpha: number, beta: number): void {
  for (let i = 0; i < x.length; i++) out[i] = clampValue(alpha * x[i]! + beta, 0, 1);
}

function hardswish(x: Float32Array, out: Float32Array): void {
  for (let i = 0; i < x.length; i++) out[i] = finishValue(x[i]!, 0, 0, true);
}

function tanh(x: Float32Array, out: Float32Array): void {
  for (let i = 0; i < x.length; i++) out[i] = Math.tanh(x[i]!);
}
