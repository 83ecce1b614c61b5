/** The live view of a run on standard error: a bar on a terminal, one plain line a record elsewhere. */
import { SingleBar } from "cli-progress";
import { plannedKey } from "../harness/plan.ts";
import type { PlannedRecord } from "../harness/plan.ts";
import type { Reporter } from "../harness/progress.ts";
import { recordKey } from "../results/schema.ts";
import type { ResultRecord } from "../results/schema.ts";

/** Share of a process's work that is over when a phase begins; a guess that only moves the bar. */
const PHASE_START: Readonly<Record<string, readonly [start: number, share: number]>> = {
  compiling: [0.15, 0.05],
  verifying: [0.2, 0.05],
  "warming up": [0.25, 0.2],
  timing: [0.45, 0.25],
  accuracy: [0.7, 0.3],
};

export interface ProgressOptions {
  readonly stream: NodeJS.WriteStream;
  readonly verbose: boolean;
}

export function createReporter(options: ProgressOptions): Reporter {
  return options.stream.isTTY ? new BarReporter(options) : new LineReporter(options);
}

/** What one finished record is worth a line. */
export function recordLine(record: ResultRecord): string {
  const name = `${record.model} ${record.recipe} ${record.target}`;
  if (record.status !== "ok") return `${name}: ${record.status}, ${record.reason.message}`;
  const { median, ci95, n, processes } = record.latencyMs;
  const interval = ci95 === undefined ? "" : ` (${formatMs(ci95[0])} to ${formatMs(ci95[1])})`;
  const among = processes === undefined ? "" : ` of ${processes.length} processes`;
  const accuracy = record.accuracy === undefined ? "" : `, top-1 ${(record.accuracy.value * 100).toFixed(2)} % of ${record.accuracy.n}`;
  return `${name}: ${formatMs(median)} ms${interval}, ${n} samples${among}${accuracy}`;
}

function formatMs(ms: number): string {
  return ms.toPrecision(3);
}

/** `1:05` */
export function formatDuration(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}

/** Time left, from the mean time of finished records or processes; undefined before the first. */
export function estimateLeft(elapsedMs: number, done: number, total: number): number | undefined {
  return done <= 0 ? undefined : (elapsedMs / done) * Math.max(0, total - done);
}

/** How much of a run is over, in processes; a record that ends early has none left. */
class Work {
  readonly total: number;
  readonly #processes: number;
  readonly #begin = performance.now();
  readonly #steps = new Map<string, number>();
  over = 0;

  constructor(records: number, processes: number) {
    this.total = records * processes;
    this.#processes = processes;
  }

  step(record: string): void {
    this.#steps.set(record, (this.#steps.get(record) ?? 0) + 1);
    this.over++;
  }

  done(record: string): void {
    this.over += this.#processes - (this.#steps.get(record) ?? 0);
  }

  left(): number | undefined {
    return estimateLeft(performance.now() - this.#begin, this.over, this.total);
  }
}

class LineReporter implements Reporter {
  readonly #stream: NodeJS.WriteStream;
  readonly #verbose: boolean;
  #total = 0;
  #done = 0;
  #work = new Work(0, 1);

  constructor({ stream, verbose }: ProgressOptions) {
    this.#stream = stream;
    this.#verbose = verbose;
  }

  begin(total: number, processes: number): void {
    this.#total = total;
    this.#work = new Work(total, processes);
  }

  phase(): void {
    // Lines that never end up in a log file are what the bar is for.
  }

  step(record: PlannedRecord): void {
    this.#work.step(plannedKey(record));
  }

  done(record: ResultRecord): void {
    this.#done++;
    this.#work.done(recordKey(record));
    const left = this.#work.left() ?? 0;
    const width = String(this.#total).length;
    this.#write(`[${String(this.#done).padStart(width)}/${this.#total}, ${formatDuration(left)} left] ${recordLine(record)}`);
  }

  note(line: string): void {
    this.#write(line);
  }

  output(text: string): void {
    if (this.#verbose) this.#stream.write(text);
  }

  end(): void {
    // Nothing is held.
  }

  #write(line: string): void {
    this.#stream.write(`${line}\n`);
  }
}

class BarReporter implements Reporter {
  readonly #bar: SingleBar;
  readonly #stream: NodeJS.WriteStream;
  readonly #verbose: boolean;
  #total = 0;
  #done = 0;
  #work = new Work(0, 1);
  #running = false;

  constructor({ stream, verbose }: ProgressOptions) {
    this.#stream = stream;
    this.#verbose = verbose;
    this.#bar = new SingleBar({
      stream,
      format: "{bar} {count} | {label} | ETA {left}",
      barCompleteChar: "█",
      barIncompleteChar: "░",
      barsize: 20,
      hideCursor: true,
      clearOnComplete: true,
      stopOnComplete: false,
      // The process may be busy preparing a model for seconds; it must not be kept alive or awake by a timer of the bar.
      fps: 8,
      gracefulExit: false,
      emptyOnZero: true,
    });
  }

  begin(total: number, processes: number): void {
    this.#total = total;
    this.#work = new Work(total, processes);
    if (total === 0) return;
    this.#running = true;
    this.#bar.start(this.#work.total, 0, this.#payload("starting"));
  }

  phase(planned: PlannedRecord, phase: string, fraction: number, ms?: number): void {
    const [start, share] = PHASE_START[phase] ?? [0, 0.15];
    const now = ms === undefined ? "" : ` ${formatMs(ms)} ms`;
    const label = `${planned.model.name} ${planned.recipe.text} ${planned.target.text} | ${phase}${now}`;
    this.#bar.update(this.#work.over + start + share * fraction, this.#payload(label));
    // Synchronous work follows some phases: draw now, the timer will not fire.
    if (fraction === 0) this.#bar.render();
  }

  step(record: PlannedRecord): void {
    this.#work.step(plannedKey(record));
  }

  done(record: ResultRecord): void {
    this.#done++;
    this.#work.done(recordKey(record));
    this.#bar.update(this.#work.over, this.#payload(`${record.model} ${record.recipe} ${record.target} | ${record.status}`));
  }

  note(line: string): void {
    this.#stream.write(`\r\u001b[K${line}\n`);
  }

  output(text: string): void {
    if (this.#verbose) this.#stream.write(text);
  }

  end(): void {
    if (this.#running) this.#bar.stop();
    this.#running = false;
  }

  #payload(label: string): Record<string, string> {
    const left = this.#work.left();
    return { label, count: `${this.#done}/${this.#total}`, left: left === undefined ? "-" : formatDuration(left) };
  }
}
