/** Titles, or starts of titles, of the op cases that the WebGPU engine may refuse, on whatever host. */
export const WEBGPU_DECLINES: readonly string[] = [
  // GPUs have no float64 and no int64.
  "Binary: float64",
  "Binary: int64: shape arithmetic",
  "Binary: int64: division",
  "Cast: double to float",
  "Reduce: int64 prod",
  "Unary: float64 erf keeps its digits",
  // Plain integers beyond indices and flags.
  "Cast: float to int8 saturates",
  "Cast: int32 to uint8 wraps",
  "Unary: int32 neg and abs",
  // Grids wider than 8 bits.
  "Requantize: int32 to int8",
  // Between int16 and another grid or type, outside the ops that have it.
  "Requantize: int16 to int8",
  "Requantize: int8 to int16",
  // Weights are packed when the graph is compiled.
  "Conv2D: weights at run time",
];
