/** Importers of Resize and its predecessor Upsample, in all their opset forms. */
import { formatShape } from "../../../errors.ts";
import type { ResizeAttrs, Shape, Tensor } from "../../../graph/ir.ts";
import type { ImportContext } from "../context.ts";
import type { OnnxNode } from "../node.ts";
import type { OpImporter } from "./importer.ts";

const COORDINATES: readonly string[] = ["half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners", "asymmetric"];
const NEAREST: readonly string[] = ["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"];

/** tf_half_pixel_for_nn lies half a pixel above half_pixel, so rounding v there is rounding v - 0.5 the other way. */
const TF_HALF_PIXEL: Readonly<Record<string, string>> = { floor: "round_prefer_ceil", round_prefer_floor: "ceil" };

function emitResize(
  ctx: ImportContext,
  node: OnnxNode,
  x: Tensor,
  scales: readonly number[],
  sizes: Shape | undefined,
  attrs: Omit<ResizeAttrs, "scales">,
): void {
  if (scales.length !== x.shape.length || scales.some((s) => !(s > 0 && Number.isFinite(s)))) {
    node.fail(`scales [${scales.join(", ")}] do not fit ${formatShape(x.shape)}, expected one positive number per axis`);
  }
  const shape = sizes ?? x.shape.map((d, i) => Math.floor(d * scales[i]!));
  ctx.result(node, "Resize", [x], { ...attrs, scales }, { shape });
}

function interpolation(node: OnnxNode): ResizeAttrs["mode"] {
  const mode = node.string("mode", "nearest");
  if (mode === "linear" || mode === "bilinear") return "linear";
  if (mode === "nearest" || mode === "cubic") return mode;
  return node.unsupported(`mode "${mode}", expected nearest, linear or cubic`);
}

/** Upsample, and Resize of opset 10: asymmetric coordinates, nearest rounds down. */
function oldResize(ctx: ImportContext, node: OnnxNode): void {
  const scales = ctx.has(node, 1) ? Array.from(ctx.constantInput(node, 1, "scales").data) : node.floats("scales");
  if (scales === undefined) node.fail("no scales");
  emitResize(ctx, node, ctx.input(node, 0), scales, undefined, {
    mode: interpolation(node),
    coordinates: "asymmetric",
    nearestMode: "floor",
    cubicCoeff: -0.75,
    excludeOutside: false,
  });
}

const resize = (ctx: ImportContext, node: OnnxNode): void => {
  if (node.opset < 11) {
    oldResize(ctx, node);
    return;
  }
  const x = ctx.input(node, 0);
  const rank = x.shape.length;
  const mode = interpolation(node);
  if (node.int("antialias", 0) !== 0) node.unsupported("antialias is not supported");
  const axes = node.ints("axes")?.map((a) => ctx.axis(node, a, rank)) ?? x.shape.map((_, i) => i);
  let coordinates = node.string("coordinate_transformation_mode", "half_pixel");
  let nearestMode = node.string("nearest_mode", "round_prefer_floor");
  const halfPixel = TF_HALF_PIXEL[nearestMode];
  if (coordinates === "tf_half_pixel_for_nn" && mode === "nearest" && halfPixel !== undefined) {
    coordinates = "half_pixel";
    nearestMode = halfPixel;
  }
  if (!COORDINATES.includes(coordinates)) {
    node.unsupported(`coordinate_transformation_mode "${coordinates}", expected one of ${COORDINATES.join(", ")}`);
  }
  if (!NEAREST.includes(nearestMode)) node.unsupported(`nearest_mode "${nearestMode}", expected one of ${NEAREST.join(", ")}`);

  const stated = ctx.has(node, 2) ? Array.from(ctx.constantInput(node, 2, "scales").data) : [];
  const wanted = ctx.has(node, 3) ? ctx.integers(node, 3, "sizes") : [];
  if (node.string("keep_aspect_ratio_policy", "stretch") !== "stretch" && wanted.length > 0) {
    node.unsupported("keep_aspect_ratio_policy is not supported, expected stretch");
  }
  const given = wanted.length > 0 ? wanted : stated;
  if (given.length !== axes.length) node.fail(`${given.length} scales or sizes, expected ${axes.length}`);
  const scales = new Array<number>(rank).fill(1);
  const sizes = [...x.shape];
  axes.forEach((axis, i) => {
    const size = x.shape[axis]!;
    scales[axis] = wanted.length > 0 ? wanted[i]! / size : stated[i]!;
    sizes[axis] = wanted.length > 0 ? wanted[i]! : Math.floor(size * stated[i]!);
  });
  emitResize(ctx, node, x, scales, sizes, {
    mode,
    coordinates: coordinates as ResizeAttrs["coordinates"],
    nearestMode: nearestMode as ResizeAttrs["nearestMode"],
    cubicCoeff: node.float("cubic_coeff_a", -0.75),
    excludeOutside: node.int("exclude_outside", 0) !== 0,
  });
};

export const RESIZE_OPS: readonly (readonly [string, OpImporter])[] = [
  ["Resize", resize],
  ["Upsample", oldResize],
];
