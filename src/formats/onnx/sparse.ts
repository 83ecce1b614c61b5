/** SparseTensorProto ↔ typed arrays: an initializer as the list of its elements that are not zero. Engines get it whole. */
import { FormatError, formatShape } from "../../errors.ts";
import { bytesPerElement, createArray, type DType, type TypedArray } from "../../graph/dtype.ts";
import type { Shape } from "../../graph/ir.ts";
import type { SparseTensorProto } from "./proto.ts";
import { checkedCount, readTensor, toInteger, writeTensor, type TensorValue } from "./tensor.ts";

/** What runtimes expand: others stay dense. */
const TYPES: ReadonlySet<DType> = new Set<DType>(["float32", "int8", "uint8"]);
const INDEX_BYTES = 8;

export function sparseName({ values }: SparseTensorProto): string {
  return values?.name ?? "";
}

/** @returns a SparseTensorProto; undefined where a plain tensor is as short */
export function writeSparse(name: string, dtype: DType, shape: Shape, data: TypedArray): object | undefined {
  if (!TYPES.has(dtype)) return undefined;
  // -0 is 0 to whoever adds it up, and yet another bit pattern: it is listed.
  const isZero = (x: number): boolean => Object.is(x, 0);
  let count = 0;
  for (const x of data) if (!isZero(x)) count++;
  const width = bytesPerElement(dtype);
  if (count * (width + INDEX_BYTES) >= data.length * width) return undefined;
  const values = createArray(dtype, count);
  const positions = new Float64Array(count);
  let at = 0;
  for (let i = 0; i < data.length; i++) {
    if (isZero(data[i]!)) continue;
    values[at] = data[i]!;
    positions[at++] = i;
  }
  return { values: writeTensor(name, dtype, [count], values), indices: writeTensor("", "int64", [count], positions), dims: [...shape] };
}

/** @throws FormatError, UnsupportedError */
export function readSparse(proto: SparseTensorProto, where: string): TensorValue {
  const { values, indices } = proto;
  if (!values || !indices) throw new FormatError(`${where}: sparse without ${values ? "indices" : "values"}, expected both`);
  const shape = proto.dims.map((d) => toInteger(d, where));
  const total = checkedCount(shape, where);
  const listed = readTensor(values, where);
  const places = readTensor(indices, `${where}: indices`);
  const count = listed.data.length;
  const flat = places.shape.length === 1 && places.shape[0] === count;
  const tuples = places.shape.length === 2 && places.shape[0] === count && places.shape[1] === shape.length;
  if (places.dtype !== "int64" || listed.shape.length !== 1 || !(flat || tuples)) {
    throw new FormatError(
      `${where}: ${count} values with ${places.dtype} indices ${formatShape(places.shape)}, expected int64 [${count}] or [${count}, ${shape.length}]`,
    );
  }
  const data = createArray(listed.dtype, total);
  let last = -1;
  for (let i = 0; i < count; i++) {
    const place = flat ? places.data[i]! : flatPlace(places.data.subarray(i * shape.length, (i + 1) * shape.length), shape);
    if (!(place > last && place < total)) {
      throw new FormatError(`${where}: index ${i} is ${place} after ${last}, expected ascending ones below ${total}`);
    }
    data[place] = listed.data[i]!;
    last = place;
  }
  return { dtype: listed.dtype, shape, data };
}

/** NaN where a coordinate is outside. */
function flatPlace(tuple: TypedArray, shape: Shape): number {
  let place = 0;
  for (let d = 0; d < shape.length; d++) {
    const at = tuple[d]!;
    if (!(at >= 0 && at < shape[d]!)) return Number.NaN;
    place = place * shape[d]! + at;
  }
  return place;
}
