/** The functions of torch.nn.utils.prune: each applies a method to a module's parameter, on top of what was applied before, and returns the module. */
import { UsageError } from "../../../errors.ts";
import { elementCount } from "../../../graph/dtype.ts";
import type { Shape } from "../../../graph/ir.ts";
import type { Amount } from "./amount.ts";
import { nextMask } from "./method.ts";
import type { PruningMethod, Values } from "./method.ts";
import { CustomFromMask, Identity, L1Unstructured, LnStructured, RandomStructured, RandomUnstructured } from "./methods.ts";
import type { PrunableModule } from "./module.ts";

interface Scored {
  /** Importance of each entry, of the parameter's shape; absent: the parameter. */
  readonly scores?: Values;
}

interface Seeded {
  readonly seed?: number;
}

export function identity(module: PrunableModule, name: string): PrunableModule {
  return applyMethod(module, name, new Identity());
}

export function randomUnstructured(module: PrunableModule, name: string, amount: Amount, { seed }: Seeded = {}): PrunableModule {
  return applyMethod(module, name, new RandomUnstructured(amount, seed));
}

export function l1Unstructured(module: PrunableModule, name: string, amount: Amount, { scores }: Scored = {}): PrunableModule {
  return applyMethod(module, name, new L1Unstructured(amount), scores);
}

/** @param dim axis of channels in the graph's own layout: 0 is the output of Conv2D and Dense, -1 its input */
export function randomStructured(module: PrunableModule, name: string, amount: Amount, dim: number, { seed }: Seeded = {}): PrunableModule {
  return applyMethod(module, name, new RandomStructured(amount, dim, seed));
}

/** @param n 1, 2, another number above 0, Infinity, -Infinity, or "fro" */
export function lnStructured(
  module: PrunableModule,
  name: string,
  amount: Amount,
  n: number | "fro",
  dim: number,
  { scores }: Scored = {},
): PrunableModule {
  return applyMethod(module, name, new LnStructured(amount, n, dim), scores);
}

/** @param mask of the parameter's shape; 0 for each entry that goes */
export function customFromMask(
  module: PrunableModule,
  name: string,
  mask: { readonly shape: Shape; readonly data: ArrayLike<number> },
): PrunableModule {
  return applyMethod(module, name, new CustomFromMask(mask));
}

/** For methods of one's own. The parameter is as before when the method throws. */
export function applyMethod(module: PrunableModule, name: string, method: PruningMethod, scores?: Values): PrunableModule {
  module.parameter(name).prune(method, scores);
  return module;
}

export interface GlobalTarget extends Scored {
  readonly module: PrunableModule;
  readonly name: string;
}

/**
 * One ranking over several parameters: their scores are joined in the order of the list, entries that are pruned already do not take part. Each
 * parameter then gets its part as a custom mask; none does when something is wrong.
 * @throws UsageError for a method that is not unstructured, or an empty list
 */
export function globalUnstructured(targets: readonly GlobalTarget[], method: PruningMethod): void {
  if (method.type !== "unstructured")
    throw new UsageError(`pruning: globalUnstructured: got a ${method.type} method, expected an unstructured one`);
  if (targets.length === 0) throw new UsageError("pruning: globalUnstructured: got no parameters, expected at least one");
  const parts = targets.map(({ module, name, scores }) => {
    const { shape, value, mask } = module.parameter(name);
    const size = elementCount(shape);
    if (scores !== undefined && elementCount(scores.shape) !== size)
      throw new UsageError(
        `pruning: globalUnstructured: ${module.name}.${name}: got ${elementCount(scores.shape)} scores, expected ${size}`,
      );
    return { shape, scores: scores?.data ?? value, mask: mask ?? new Uint8Array(size).fill(1) };
  });
  const total = parts.reduce((sum, { mask }) => sum + mask.length, 0);
  const [scores, masks] = [new Float32Array(total), new Uint8Array(total)];
  let offset = 0;
  for (const part of parts) {
    scores.set(part.scores, offset);
    masks.set(part.mask, offset);
    offset += part.mask.length;
  }
  const joint = nextMask(method, { shape: [total], data: scores }, masks);
  offset = 0;
  targets.forEach(({ module, name }, i) => {
    const { shape, mask } = parts[i]!;
    customFromMask(module, name, { shape, data: joint.subarray(offset, (offset += mask.length)) });
  });
}

/** Whether a parameter of the module is pruned. */
export function isPruned(module: PrunableModule): boolean {
  return module.isPruned;
}

/** Makes a parameter's zeros permanent; never undoes them. @throws UsageError when it is not pruned */
export function remove(module: PrunableModule, name: string): PrunableModule {
  const parameter = module.parameter(name);
  if (!parameter.isPruned) throw new UsageError(`pruning: remove: parameter "${name}" of module "${module.name}" is not pruned`);
  parameter.remove();
  return module;
}
