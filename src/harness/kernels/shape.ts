/**
 * The layers that kernels are measured on: one product each, described by its shape. As text (`kernel:gemm,m=768,n=256,k=256`) a shape is
 * a model like any other; in a suite file it is an object with the same words.
 */
import { z } from "zod";
import { UsageError } from "../../errors.ts";

const size = z.number().int().min(1).max(65536);
const pair = z.tuple([size, size]);
const padding = z.enum(["same", "valid"]);

/** [m][k] × [k][n]: a dense layer, or a 1×1 convolution over m pixels. */
const gemm = z.strictObject({ op: z.literal("gemm"), m: size, n: size, k: size });
/** `input` [height, width, channels]. */
const conv = z.strictObject({
  op: z.literal("conv"),
  input: z.tuple([size, size, size]),
  outputs: size,
  kernel: pair,
  stride: pair.default([1, 1]),
  padding: padding.default("same"),
});
const depthwise = z.strictObject({
  op: z.literal("depthwise"),
  input: z.tuple([size, size, size]),
  kernel: pair,
  stride: pair.default([1, 1]),
  padding: padding.default("same"),
});

export const SHAPE_SCHEMAS = { gemm, conv, depthwise } as const;

export type KernelShape = z.infer<typeof gemm> | z.infer<typeof conv> | z.infer<typeof depthwise>;

export const KERNEL_PREFIX = "kernel:";
const FORM = "e.g. kernel:gemm,m=768,n=256,k=256 or kernel:conv,input=32x32x16,outputs=16,kernel=3x3,stride=1x1,padding=same";

/** Canonical: every word, in a fixed order. */
export function shapeText(shape: KernelShape): string {
  const words = Object.entries(shape)
    .filter(([key]) => key !== "op")
    .map(([key, value]) => `${key}=${Array.isArray(value) ? value.join("x") : value}`);
  return `${KERNEL_PREFIX}${[shape.op, ...words].join(",")}`;
}

/** Short, as a name: `768x256x256`, `conv3x3s2-32x32x16-32`, `dw3x3-14x14x512`. */
export function shapeLabel(shape: KernelShape): string {
  if (shape.op === "gemm") return `${shape.m}x${shape.n}x${shape.k}`;
  const { op, input, kernel, stride } = shape;
  const step = stride[0] === stride[1] ? String(stride[0]) : stride.join("x");
  const window = `${op === "conv" ? "conv" : "dw"}${kernel.join("x")}${step === "1" ? "" : `s${step}`}`;
  return [window, input.join("x"), ...(op === "conv" ? [shape.outputs] : [])].join("-");
}

/** @throws UsageError naming the word that is wrong */
export function parseShapeText(text: string): KernelShape {
  const [op = "", ...parts] = text.slice(KERNEL_PREFIX.length).split(",");
  const words: Record<string, unknown> = { op };
  for (const part of parts) {
    const [, key, value] = /^([a-z]+)=(.+)$/.exec(part.trim()) ?? [];
    if (key === undefined || value === undefined || key === "op")
      throw new UsageError(`model "${text}": got "${part}", expected key=value, ${FORM}`);
    if (key in words) throw new UsageError(`model "${text}": ${key} is given twice`);
    words[key] = /^\d+$/.test(value) ? Number(value) : /^\d+(x\d+)+$/.test(value) ? value.split("x").map(Number) : value;
  }
  if (!Object.hasOwn(SHAPE_SCHEMAS, op)) {
    throw new UsageError(`model "${text}": unknown kernel "${op}", expected one of ${Object.keys(SHAPE_SCHEMAS).join(", ")}, ${FORM}`);
  }
  const parsed = SHAPE_SCHEMAS[op as keyof typeof SHAPE_SCHEMAS].safeParse(words);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new UsageError(`model "${text}": ${issue?.path.join(".") ?? ""}: ${issue?.message.toLowerCase() ?? "invalid"}, ${FORM}`);
}

export function isKernelModel(path: string): boolean {
  return path.startsWith(KERNEL_PREFIX);
}
