/** The part of a suite file that lists kernels instead of models: shapes, the layer that each was taken from, and sweeps over sparsity and codes. */
import { z } from "zod";
import { parseRecipe } from "../../compress/recipe.ts";
import { FormatError } from "../../errors.ts";
import type { SuiteModel } from "../suite-model.ts";
import { SHAPE_SCHEMAS, shapeText } from "./shape.ts";

const word = z.string().min(1);

const about = {
  name: z.string().regex(/^[A-Za-z0-9._-]+$/, "expected letters, digits, dot, dash, underscore"),
  /** The model and the layer of it that has this shape. */
  layer: word,
  /** Names of sweeps; none: the suite's recipes only. */
  sweeps: z.array(word).optional(),
};

export const kernelsSchema = z
  .array(
    z.discriminatedUnion("op", [SHAPE_SCHEMAS.gemm.extend(about), SHAPE_SCHEMAS.conv.extend(about), SHAPE_SCHEMAS.depthwise.extend(about)]),
  )
  .min(1);

/** Name → a recipe with `X` for the share of zeros and the shares to try, or recipes that give weights a compact code. */
export const sweepsSchema = z.record(
  word,
  z.union([
    z.strictObject({
      recipe: z.string().regex(/X/, "expected a recipe with X in place of the share of zeros, e.g. prune:X,block=1x8"),
      zeros: z.array(z.number().gt(0).lt(1)).min(2),
    }),
    z.strictObject({ coded: z.array(word).min(1) }),
  ]),
);

type Kernels = z.infer<typeof kernelsSchema>;
type Sweeps = z.infer<typeof sweepsSchema>;

/**
 * @param where path of the suite file, for messages
 * @throws FormatError for names given twice and for sweeps that there are not
 */
export function kernelModels(kernels: Kernels, sweeps: Sweeps, where: string): readonly SuiteModel[] {
  const names = new Set<string>();
  return kernels.map(({ name, layer, sweeps: wanted = [], ...shape }, i) => {
    const entry = `${where}: kernels[${i}] (${name})`;
    if (names.has(name)) throw new FormatError(`${entry}: a kernel before it has the same name`, "Rename one");
    names.add(name);
    const sweep: string[] = [];
    const codes: string[] = [];
    for (const one of wanted) {
      const definition = Object.hasOwn(sweeps, one) ? sweeps[one] : undefined;
      if (definition === undefined) {
        throw new FormatError(`${entry}.sweeps: got "${one}", expected one of ${Object.keys(sweeps).join(", ")}`, "Define it under sweeps");
      }
      if ("coded" in definition) codes.push(...definition.coded.map((recipe) => parseRecipe(recipe).text));
      else sweep.push(...definition.zeros.map((share) => parseRecipe(definition.recipe.replaceAll("X", String(share))).text));
    }
    return { name, path: shapeText(shape), layer, sweep, ...(codes.length === 0 ? {} : { codes }) };
  });
}
