/** Graph inputs: element type, static shape (dynamic dimensions bound by the caller), and the grid of integer inputs. */
import { FormatError, ShapeError, UsageError, formatShape } from "../../errors.ts";
import type { Shape } from "../../graph/ir.ts";
import type { ImportOptions } from "../options.ts";
import type { DimensionProto, ValueInfoProto } from "./proto.ts";
import { checkedCount, toInteger } from "./tensor.ts";

export interface InputSpec {
  readonly name: string;
  readonly elemType: number;
  readonly shape: Shape;
}

/**
 * Shapes of the graph inputs. A dimension is fixed by the file, by `options.shapes`, or by another input that shares its symbol; a
 * free first dimension is the batch and becomes 1.
 * @throws UsageError for `--shape` of an unknown input, ShapeError for one that contradicts the file, FormatError for free dimensions
 */
export function resolveInputs(infos: readonly ValueInfoProto[], options: ImportOptions): readonly InputSpec[] {
  const names = infos.map((info) => info.name);
  for (const name of options.shapes?.keys() ?? []) {
    if (!names.includes(name)) {
      throw new UsageError(`${options.name}: --shape names input "${name}", expected one of ${names.map((n) => `"${n}"`).join(", ")}`);
    }
  }
  const symbols = new Map<string, number>();
  for (const info of infos) bindSymbols(info, options, symbols);
  return infos.map((info) => resolveInput(info, options, symbols));
}

function dimensions(info: ValueInfoProto): readonly DimensionProto[] | undefined {
  return info.type?.tensorType?.shape?.dim;
}

/** The size that the file fixes, or undefined. Some exporters write -1 for a free dimension. */
function fixedSize(dim: DimensionProto, where: string): number | undefined {
  if (dim.dimParam !== undefined && dim.dimParam !== "") return undefined;
  if (dim.dimValue === undefined || !Object.hasOwn(dim, "dimValue")) return undefined;
  const size = toInteger(dim.dimValue, where);
  return size < 0 ? undefined : size;
}

function bindSymbols(info: ValueInfoProto, options: ImportOptions, symbols: Map<string, number>): void {
  const bound = options.shapes?.get(info.name);
  const dims = dimensions(info);
  if (bound === undefined || dims === undefined) return;
  const where = `${options.name}: input "${info.name}"`;
  const mismatch = (): never => {
    throw new ShapeError(`${where}: --shape gives ${formatShape(bound)}, expected ${describe(dims, where)}`);
  };
  if (bound.length !== dims.length) mismatch();
  dims.forEach((dim, i) => {
    const size = bound[i]!;
    const fixed = fixedSize(dim, where);
    const known = dim.dimParam !== undefined && dim.dimParam !== "" ? symbols.get(dim.dimParam) : undefined;
    if (!Number.isInteger(size) || size < 0 || (fixed ?? known ?? size) !== size) mismatch();
    if (dim.dimParam !== undefined && dim.dimParam !== "") symbols.set(dim.dimParam, size);
  });
}

/** `[1, 3, height, ?]` */
function describe(dims: readonly DimensionProto[], where: string): string {
  const words = dims.map((dim) => fixedSize(dim, where) ?? (dim.dimParam === undefined || dim.dimParam === "" ? "?" : dim.dimParam));
  return `[${words.join(", ")}]`;
}

function resolveInput(info: ValueInfoProto, options: ImportOptions, symbols: ReadonlyMap<string, number>): InputSpec {
  const where = `${options.name}: input "${info.name}"`;
  const type = info.type?.tensorType;
  if (!type) throw new FormatError(`${where}: no tensor type; sequences, maps and optional values are not supported`);
  const dims = type.shape?.dim;
  const bound = options.shapes?.get(info.name);
  if (dims === undefined && bound === undefined) {
    throw new FormatError(`${where}: the file states no shape, expected one`, `Add --shape ${info.name}=…`);
  }
  const shape =
    bound ??
    dims!.map((dim, i) => fixedSize(dim, where) ?? symbols.get(dim.dimParam ?? "") ?? (i === 0 && dims!.length > 1 ? 1 : undefined));
  if (shape.some((d) => d === undefined)) {
    const example = shape.map((d) => d ?? "?").join(",");
    throw new FormatError(
      `${where}: shape ${describe(dims!, where)} has free dimensions, expected sizes`,
      `Add --shape ${info.name}=${example} with numbers for "?"`,
    );
  }
  checkedCount(shape as Shape, where);
  return { name: info.name, elemType: type.elemType, shape: shape as Shape };
}
