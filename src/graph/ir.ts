/**
 * The one form a model has inside: a directed acyclic graph over named tensors. Spatial ops are NHWC; importers convert layouts
 * once, so a file's NCHW inputs and outputs show as explicit Transpose nodes at the borders. Graphs are immutable: a pass returns a
 * new one. Quantization is a property of a tensor, sparsity and a compact code are properties of a constant.
 */
import type { DType, TypedArray } from "./dtype.ts";

export type Shape = readonly number[];

/** real = (q - zeroPoint) * scale. One entry per tensor, or one per index of `axis` (per-axis, for weights and biases). */
export interface Quantization {
  readonly scales: Float32Array;
  readonly zeroPoints: Int32Array;
  /** Absent: per tensor. */
  readonly axis?: number;
}

/** What pruning promised about a constant's zeros. Kernels check the data; this says which layout to try. */
export type Sparsity =
  | { readonly pattern: "unstructured" }
  /** Blocks of `rows` input positions × `cols` consecutive output channels are zero together: `1x8` shares one index over 8 outputs. */
  | { readonly pattern: "block"; readonly rows: number; readonly cols: number }
  /**
   * N:M: of every `of` consecutive input channels (of one tap; the last group may be shorter) at most `keep` are non-zero, the same ones
   * for `cols` consecutive output channels.
   */
  | { readonly pattern: "nm"; readonly keep: number; readonly of: number; readonly cols: number };

/** One table for the whole tensor: element i is table[indices[i]]. */
export interface CodebookCode {
  readonly kind: "codebook";
  /** 1 to 256 values. */
  readonly table: Float32Array;
  readonly indices: Uint8Array;
}

/**
 * The tensor as rows [shape[0]][K], each cut into blocks of `block` elements (the last may be shorter) with a scale of their own:
 * element = fround(code × scale). Symmetric: code 0 is 0.
 */
export interface Int4Code {
  readonly kind: "int4";
  readonly block: number;
  /** [rows][ceil(K / block)] */
  readonly scales: Float32Array;
  /** One a byte, -8..7. */
  readonly codes: Int8Array;
}

/** 8-bit integers with a scale for each index of `axis`: element = fround(code × scale). Symmetric: code 0 is 0. */
export interface Int8Code {
  readonly kind: "int8";
  /** Of the output channels. */
  readonly axis: number;
  /** [shape[axis]] */
  readonly scales: Float32Array;
  readonly codes: Int8Array;
}

/**
 * Of an int8 constant: a table for each row [shape[0]], element i of row r is table[r × values + indices[i]]. What shared float values become on
 * grids with a scale for each output channel.
 */
export interface Int8CodebookCode {
  readonly kind: "int8Codebook";
  /** 1 to 16 */
  readonly values: number;
  /** [rows][values] */
  readonly table: Int8Array;
  readonly indices: Uint8Array;
}

/** IEEE 754 binary16, one a word. */
export interface Float16Code {
  readonly kind: "float16";
  readonly bits: Uint16Array;
}

/** Codes of float32 constants. */
export type FloatCode = CodebookCode | Int4Code | Int8Code | Float16Code;

/** Fewer bits that decode to exactly a constant's `data` (src/graph/code.ts). Kernels that know the code keep only the code. */
export type WeightCode = FloatCode | Int8CodebookCode;

export interface Tensor {
  readonly name: string;
  readonly dtype: DType;
  /** Always static: dynamic dimensions are bound at load. A scalar is `[]`. */
  readonly shape: Shape;
  readonly quant?: Quantization;
  /** Present: the tensor is a constant. Row-major, `elementCount(shape)` elements. */
  readonly data?: TypedArray;
  readonly sparsity?: Sparsity;
  /** Whoever changes the data drops it. */
  readonly code?: WeightCode;
}

export interface Constant extends Tensor {
  readonly data: TypedArray;
}

/** Fused into the op that carries it. Bounds are real values; on a quantized output the engine maps them to the integer grid. */
export type Activation = { readonly kind: "clamp"; readonly min: number; readonly max: number } | { readonly kind: "hardswish" };

/** [top, left, bottom, right] in elements; explicit always (SAME and auto_pad are resolved by importers). */
export type Pads2D = readonly [number, number, number, number];
/** [vertical, horizontal] */
export type Pair = readonly [number, number];

/**
 * How an integer layer gets from sums to its output grid: TFLite's fixed-point multiplication, rounded twice or once (fixed-point.ts). Absent: in
 * float32 (numerics.ts).
 */
export type Rounding = "double" | "single";

export interface Conv2DAttrs {
  readonly strides: Pair;
  readonly dilations: Pair;
  readonly pads: Pads2D;
  readonly groups: number;
  readonly activation?: Activation;
  /**
   * Conv2D: x is float32 and quantized when the node runs, to the grid of its own smallest and largest value (`dynamicGrid` of numerics.ts), w int8
   * per tensor or axis 0, bias float32; the integer sums are scaled back to float32.
   */
  readonly dynamic?: true;
  /** Of 8-bit layers. */
  readonly rounding?: Rounding;
}

export interface ConvTranspose2DAttrs {
  readonly strides: Pair;
  readonly dilations: Pair;
  /** Cropped from the full result, as ONNX defines `pads`. */
  readonly pads: Pads2D;
  readonly outputPadding: Pair;
  readonly groups: number;
  readonly activation?: Activation;
  readonly rounding?: Rounding;
}

export interface Pool2DAttrs {
  readonly kernel: Pair;
  readonly strides: Pair;
  readonly dilations: Pair;
  readonly pads: Pads2D;
  /** Average only: divide by the full window (true) or by the elements inside the image (false). */
  readonly countIncludePad: boolean;
  readonly activation?: Activation;
}

export type UnaryFn =
  | "relu"
  | "leakyrelu"
  | "clip"
  | "sigmoid"
  | "hardsigmoid"
  | "hardswish"
  | "tanh"
  | "sqrt"
  | "exp"
  | "log"
  | "abs"
  | "neg"
  | "reciprocal"
  | "floor"
  | "ceil"
  | "erf";

export interface UnaryAttrs {
  readonly fn: UnaryFn;
  /** leakyrelu: slope; hardsigmoid: slope. */
  readonly alpha?: number;
  /** hardsigmoid: offset. */
  readonly beta?: number;
  /** clip; absent means unbounded. */
  readonly min?: number;
  readonly max?: number;
}

export type BinaryFn = "add" | "sub" | "mul" | "div" | "pow" | "min" | "max";

export interface BinaryAttrs {
  readonly fn: BinaryFn;
  readonly activation?: Activation;
}

export type ReduceFn = "mean" | "sum" | "max" | "min" | "prod";

export interface ResizeAttrs {
  readonly mode: "nearest" | "linear" | "cubic";
  readonly coordinates: "half_pixel" | "half_pixel_symmetric" | "pytorch_half_pixel" | "align_corners" | "asymmetric";
  readonly nearestMode: "round_prefer_floor" | "round_prefer_ceil" | "floor" | "ceil";
  /** Cubic coefficient a; -0.75 in ONNX. */
  readonly cubicCoeff: number;
  readonly excludeOutside: boolean;
  /** Output/input per axis as the file states it (it can differ from the ratio of the rounded sizes); same rank as the tensor. */
  readonly scales: readonly number[];
}

export interface TreeEnsembleAttrs {
  /** How the values of the leaves that a sample reaches, one a tree, become its output. */
  readonly aggregate: "sum" | "average";
  /** `classification`: the outputs are scores of classes, and the largest wins. */
  readonly task: "classification" | "regression";
  /** Which training samples the trees have never seen (src/compress/trees/holdout.ts); absent: unknown, or none. */
  readonly holdout?: { readonly fraction: number; readonly seed: number };
}

export type NoAttrs = Readonly<Record<string, never>>;

/** The attributes of each op. Inputs of each, in order, are documented beside it; `?` marks optional ones (absent: empty string). */
export interface OpAttrs {
  /** x [N,H,W,C], w [O,KH,KW,C/groups], bias? [O] → [N,OH,OW,O]. Integer: x int8 (or uint8), w int8 per-tensor or axis 0, bias int32. */
  Conv2D: Conv2DAttrs;
  /** x [N,H,W,C], w [1,KH,KW,C*m], bias? [C*m] → [N,OH,OW,C*m]; output channel c*m+j reads input channel c. Weight axis 3. groups is unused (= C). */
  DepthwiseConv2D: Conv2DAttrs;
  /** x [N,H,W,C], w [O,KH,KW,C/groups], bias? [O] → [N,OH,OW,O] */
  ConvTranspose2D: ConvTranspose2DAttrs;
  /** x [...,K], w [N,K], bias? [N] → [...,N]. Integer and dynamic as Conv2D. */
  Dense: { readonly activation?: Activation; readonly dynamic?: true; readonly rounding?: Rounding };
  /** a [...,M,K], b [...,K,N] → [...,M,N]; leading dimensions broadcast; transpose swaps the last two first. Numpy rules for rank 1. */
  MatMul: { readonly transposeA: boolean; readonly transposeB: boolean };
  /** a, b → broadcast as numpy. Integer add/sub/mul: int8 tensors with quantization. */
  Binary: BinaryAttrs;
  Unary: UnaryAttrs;
  /** Integer: output pinned to scale 1/256, zero point -128 (int8). */
  Softmax: { readonly axis: number; readonly beta: number };
  MaxPool2D: Pool2DAttrs;
  AveragePool2D: Pool2DAttrs;
  Reduce: { readonly fn: ReduceFn; readonly axes: readonly number[]; readonly keepDims: boolean };
  /** x, scale, bias, mean, variance, each [C] on the last axis. Never reaches an engine: passes fold or lower it. */
  BatchNorm: { readonly epsilon: number };
  Concat: { readonly axis: number };
  /** Same elements, the output tensor's shape. */
  Reshape: NoAttrs;
  Transpose: { readonly perm: readonly number[] };
  /** Full rank: element i of axis d is starts[d] + i*steps[d]; the output shape gives the counts. Steps may be negative. */
  Slice: { readonly starts: readonly number[]; readonly steps: readonly number[] };
  /** x, indices (int32 or int64; negative counts from the end) */
  Gather: { readonly axis: number };
  /** Full rank. */
  Pad: {
    readonly before: readonly number[];
    readonly after: readonly number[];
    readonly mode: "constant" | "reflect" | "edge";
    readonly value: number;
  };
  Resize: ResizeAttrs;
  /** Repeat to the output tensor's shape by numpy broadcasting. */
  Expand: NoAttrs;
  Cast: NoAttrs;
  /**
   * Decision trees (src/graph/tree.ts): x [N,F] float32, feature [n] int32, threshold [n] float32, left [n] int32, right [n] int32,
   * values [n,C] float32, roots [trees] int32, missing? [n] uint8, impurity? [n] float64, weight? [n] float64 → [N,C] float32. All but x
   * are constants. The last two are for pruning; engines do not read them.
   */
  TreeEnsemble: TreeEnsembleAttrs;
  /** float → integer tensor with quantization. */
  Quantize: NoAttrs;
  /** Integer tensor with quantization → float. */
  Dequantize: NoAttrs;
  /** Integer → integer on another grid. */
  Requantize: NoAttrs;
}

export type OpName = keyof OpAttrs;

interface NodeOf<O extends OpName> {
  /** Unique in the graph; from the file where it names nodes. */
  readonly name: string;
  readonly op: O;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attrs: OpAttrs[O];
}

export type Node = { [O in OpName]: NodeOf<O> }[OpName];
export type NodeWith<O extends OpName> = NodeOf<O>;

export interface Graph {
  readonly name: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly tensors: ReadonlyMap<string, Tensor>;
  /** In execution order: every input of a node is a graph input, a constant, or written by an earlier node. */
  readonly nodes: readonly Node[];
}

/** Computes a node whose inputs are all constant; injected (the CPU engine supplies it) so that graph code never imports an engine. */
export type ConstantEvaluator = (node: Node, tensors: ReadonlyMap<string, Tensor>) => readonly TypedArray[];

/** A plain function Graph → Graph. */
export type Pass = (graph: Graph) => Graph;
