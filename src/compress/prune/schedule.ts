/**
 * How much to prune at which training step, as Keras' pruning schedules define it (tensorflow_model_optimization, pruning_schedule.py). Pure
 * functions: who trains asks at every step.
 */
import { UsageError } from "../../errors.ts";

export interface Scheduled {
  /** Whether masks are to be computed anew at this step. */
  readonly update: boolean;
  /** Share of zeros to reach, 0 ≤ sparsity < 1. */
  readonly sparsity: number;
}

export type Schedule = (step: number) => Scheduled;

interface Window {
  /** The first step that prunes. */
  readonly begin: number;
  /** Steps between updates, counted from `begin`. */
  readonly frequency?: number;
}

const DEFAULT_FREQUENCY = 100;
const CUBIC = 3;

/**
 * The same share at every update.
 * @param options `end`: the last step that may update; absent: no end
 * @throws UsageError
 */
export function constantSchedule(sparsity: number, options: Window & { readonly end?: number }): Schedule {
  const { begin, end = Infinity, frequency = DEFAULT_FREQUENCY } = options;
  checkShare("sparsity", sparsity);
  checkWindow(begin, end, frequency);
  return (step) => ({ update: isUpdate(step, begin, end, frequency), sparsity });
}

/**
 * From `initial` at `begin` to `final` at `end`: final + (initial - final) × (1 - p)^power, p the share of the way, held at both ends.
 * @throws UsageError
 */
export function polynomialSchedule(
  options: Window & { readonly initial: number; readonly final: number; readonly end: number; readonly power?: number },
): Schedule {
  const { begin, end, initial, final, power = CUBIC, frequency = DEFAULT_FREQUENCY } = options;
  checkShare("initial", initial);
  checkShare("final", final);
  checkWindow(begin, end, frequency);
  if (!(Number.isFinite(end) && end > begin))
    throw new UsageError(`pruning schedule: end: got ${end}, expected a step after begin (${begin}): the decay needs a length`);
  if (!(Number.isFinite(power) && power > 0)) throw new UsageError(`pruning schedule: power: got ${power}, expected a number above 0`);
  return (step) => {
    const p = Math.min(1, Math.max(0, (step - begin) / (end - begin)));
    return { update: isUpdate(step, begin, end, frequency), sparsity: final + (initial - final) * (1 - p) ** power };
  };
}

function isUpdate(step: number, begin: number, end: number, frequency: number): boolean {
  return step >= begin && step <= end && (step - begin) % frequency === 0;
}

function checkShare(name: string, share: number): void {
  if (!(share >= 0 && share < 1)) throw new UsageError(`pruning schedule: ${name}: got ${share}, expected a share 0 ≤ x < 1`);
}

function checkWindow(begin: number, end: number, frequency: number): void {
  if (!(Number.isInteger(begin) && begin >= 0)) throw new UsageError(`pruning schedule: begin: got ${begin}, expected a step from 0 on`);
  if (!(end >= begin)) throw new UsageError(`pruning schedule: end: got ${end}, expected a step from begin (${begin}) on`);
  if (!(Number.isInteger(frequency) && frequency >= 1))
    throw new UsageError(`pruning schedule: frequency: got ${frequency}, expected a number of steps from 1 on`);
}
