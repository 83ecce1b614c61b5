/** What the forms of the step `int8` share: layers chosen by op, the width of weights; and the forms that need no calibration. */
import type { OpName } from "../graph/ir.ts";
import { LIST_SEPARATOR, suggestion } from "./names.ts";
import { filterText, leftOut } from "./recipe-fields.ts";
import type { Fields, PlainFilter } from "./recipe-fields.ts";

export interface FormFilter extends PlainFilter {
  /** Only nodes of these ops. */
  readonly types?: readonly OpName[];
}

export interface WeightWidth {
  /**
   * Weights of 7 bits, -64..64 as ONNX Runtime's reduced range: the sum of two products with uint8 then fits int16, which some processors' 8-bit
   * instructions saturate. Of all layers, or of the first, whose inputs are the widest. Absent: 8 bits, -127..127.
   */
  readonly weightBits?: "7" | "7:first";
}

/** Weights in 8 bits, all arithmetic in float32. */
export interface Int8WeightsStep extends FormFilter {
  readonly kind: "int8weights";
}

/** Int8 weights, inputs quantized to their own range when a layer runs. */
export interface Int8DynamicStep extends FormFilter, WeightWidth {
  readonly kind: "int8dynamic";
}

/** Ops that some form quantizes. */
const TYPES = [
  ...(["Conv2D", "DepthwiseConv2D", "ConvTranspose2D", "Dense", "Binary", "Unary", "Softmax", "MaxPool2D", "AveragePool2D"] as const),
  ...(["Reduce", "Concat", "Reshape", "Transpose", "Slice", "Gather", "Pad", "Resize"] as const),
] satisfies readonly OpName[];

const WIDTHS = ["8", "7", "7:first"] as const;

export const FILTER_KEYS = ["types", "only", "exclude"] as const;
export const WIDTH_KEY = "weightbits";

/** Why a recipe keeps a form from a node; undefined: it does not. */
export function leftOutNode({ name, op }: { readonly name: string; readonly op: OpName }, filter: FormFilter): string | undefined {
  const why = leftOut(name, filter);
  return why ?? (filter.types === undefined || filter.types.includes(op) ? undefined : "not of the recipe's types");
}

export function parseFormFilter(fields: Fields): FormFilter {
  const text = fields.option("types");
  const types = text?.split(LIST_SEPARATOR).map((word) => {
    const type = TYPES.find((known) => known === word);
    if (type === undefined)
      throw fields.error(
        `types: got "${word}", expected ops joined by "${LIST_SEPARATOR}", e.g. Conv2D${LIST_SEPARATOR}Dense. ${suggestion(word, TYPES)}`,
      );
    return type;
  });
  return { ...(types && { types }), ...fields.filter() };
}

/** Canonical text, to follow a form's other options. */
export function formFilterText(filter: FormFilter): string {
  return `${filter.types === undefined ? "" : `,types=${filter.types.join(LIST_SEPARATOR)}`}${filterText(filter)}`;
}

export function parseWidth(fields: Fields): WeightWidth {
  const width = fields.wordOption(WIDTH_KEY, WIDTHS, "8");
  return width === "8" ? {} : { weightBits: width };
}

export function widthText({ weightBits }: WeightWidth): string {
  return weightBits === undefined ? "" : `,${WIDTH_KEY}=${weightBits}`;
}

export function int8WeightsText(step: Int8WeightsStep): string {
  return `int8:weights${formFilterText(step)}`;
}

export function parseInt8Weights(fields: Fields): Int8WeightsStep {
  fields.onlyOptions(FILTER_KEYS);
  return { kind: "int8weights", ...parseFormFilter(fields) };
}

export function int8DynamicText(step: Int8DynamicStep): string {
  return `int8:dynamic${widthText(step)}${formFilterText(step)}`;
}

export function parseInt8Dynamic(fields: Fields): Int8DynamicStep {
  fields.onlyOptions([WIDTH_KEY, ...FILTER_KEYS]);
  return { kind: "int8dynamic", ...parseWidth(fields), ...parseFormFilter(fields) };
}
