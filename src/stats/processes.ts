/**
 * The same thing measured in several processes, each with samples of its own. Samples of one process share what the process and the
 * moment have in common (where code and data came to lie, who else uses the core), so their own interval says nothing about the next
 * process. What is independent are the processes: a process is one value, its median, and intervals are of those.
 *
 * Up to 5 processes: Student's interval of the mean of log medians. It asks more of the distribution than order statistics do, but
 * those, and a bootstrap over processes, reach from the least median to the largest at most, which with 3 covers 75 %. From 6 on, where
 * the range covers 95 %: order statistics, with no assumption. Logs because times differ by factors.
 */
import { invariant } from "../errors.ts";
import { mean, median, standardDeviation } from "./describe.ts";
import { medianInterval, medianRanks } from "./interval.ts";
import { student975 } from "./student.ts";

export interface ProcessSummary {
  /** Of each process, in order. */
  readonly medians: readonly number[];
  /** Median of the medians. */
  readonly median: number;
  /** 95 %, with what differs between processes in it. Of one process: that of its own samples, where they suffice for one. */
  readonly ci95?: readonly [number, number];
}

/** @param processes samples of each, at least one process and one sample each */
export function summarizeProcesses(processes: readonly (readonly number[])[]): ProcessSummary {
  const medians = processes.map((samples) => median(samples));
  const summary = { medians, median: median(medians) };
  const [only] = processes;
  invariant(only !== undefined, "no processes");
  if (processes.length === 1) {
    const own = medianInterval(only);
    return own === undefined ? summary : { ...summary, ci95: [own.low, own.high] };
  }
  const [low, high] = betweenProcesses(medians);
  // Processes that agree by chance, or by the clock's step, do not make samples more exact than they are.
  const factor = Math.exp(withinProcesses(processes));
  return { ...summary, ci95: [Math.min(low, summary.median / factor), Math.max(high, summary.median * factor)] };
}

/** 95 % interval of what the medians of processes are around. */
function betweenProcesses(medians: readonly number[]): readonly [number, number] {
  const least = Math.min(...medians);
  if (medianRanks(medians.length) !== undefined) {
    const { low, high } = medianInterval(medians)!;
    return [low, high];
  }
  // A clock that stood still: no logarithm, and no statement below the largest.
  if (least <= 0) return [0, Math.max(...medians)];
  const logs = medians.map(Math.log);
  const half = (student975(logs.length - 1) * standardDeviation(logs)!) / Math.sqrt(logs.length);
  return [Math.exp(mean(logs) - half), Math.exp(mean(logs) + half)];
}

/** Half-width, as a logarithm, that the samples' own noise leaves to the mean of the log medians; 0 where too few samples tell. */
function withinProcesses(processes: readonly (readonly number[])[]): number {
  let squares = 0;
  for (const samples of processes) {
    const interval = medianInterval(samples);
    if (interval !== undefined && interval.low > 0) squares += (Math.log(interval.high / interval.low) / 2) ** 2;
  }
  return Math.sqrt(squares) / processes.length;
}

/**
 * How far apart processes are: the highest median over the lowest; undefined where the noise within those two explains it (their own
 * intervals overlap; of fewer than 6 samples, their ranges).
 */
export function disagreement(processes: readonly (readonly number[])[]): number | undefined {
  if (processes.length < 2) return undefined;
  const spans = processes.map((samples) => {
    const { low, high } = medianInterval(samples) ?? { low: Math.min(...samples), high: Math.max(...samples) };
    return { middle: median(samples), low, high };
  });
  const fastest = spans.reduce((a, b) => (b.middle < a.middle ? b : a));
  const slowest = spans.reduce((a, b) => (b.middle > a.middle ? b : a));
  return fastest.middle > 0 && slowest.low > fastest.high ? slowest.middle / fastest.middle : undefined;
}

export interface ProcessRatio {
  /** Of the medians of the medians. */
  readonly ratio: number;
  readonly ci95: readonly [number, number];
}

/**
 * b over a where both were measured in each process, in turn: what a process does to all alike cancels. Student's interval of the mean log ratio;
 * undefined of fewer than two processes, or where one is 0.
 * @param a,b medians of the same processes, in order
 */
export function ratioInPairs(a: readonly number[], b: readonly number[]): ProcessRatio | undefined {
  if (a.length < 2 || a.length !== b.length || Math.min(...a, ...b) <= 0) return undefined;
  const logs = a.map((value, i) => Math.log(b[i]! / value));
  const ratio = Math.exp(median(logs));
  const half = (student975(logs.length - 1) * standardDeviation(logs)!) / Math.sqrt(logs.length);
  const center = mean(logs);
  return { ratio, ci95: [Math.min(ratio, Math.exp(center - half)), Math.max(ratio, Math.exp(center + half))] };
}

/**
 * b over a. Welch's interval of the difference of mean log medians: processes of the two need neither be as many nor vary alike.
 * @param a,b medians of processes; undefined where one has fewer than two, or one is 0
 */
export function ratioOfProcesses(a: readonly number[], b: readonly number[]): ProcessRatio | undefined {
  if (a.length < 2 || b.length < 2 || Math.min(...a, ...b) <= 0) return undefined;
  const parts = [a, b].map((medians) => {
    const logs = medians.map(Math.log);
    return { n: logs.length, center: mean(logs), variance: standardDeviation(logs)! ** 2 / logs.length };
  });
  const [from, to] = parts as [(typeof parts)[0], (typeof parts)[0]];
  const variance = from.variance + to.variance;
  const ratio = median(b) / median(a);
  if (variance === 0) return { ratio, ci95: [ratio, ratio] };
  const freedom = variance ** 2 / parts.reduce((sum, part) => sum + part.variance ** 2 / (part.n - 1), 0);
  const half = student975(Math.max(1, freedom)) * Math.sqrt(variance);
  const center = to.center - from.center;
  return { ratio, ci95: [Math.exp(center - half), Math.exp(center + half)] };
}
