/** The live view of a study on standard error: a bar on a terminal, one plain line for each finished unit elsewhere. */
import { SingleBar } from "cli-progress";
import type { StudyReporter } from "../study/reporter.ts";
import { estimateLeft, formatDuration } from "./progress-bar.ts";
import type { ProgressOptions } from "./progress-bar.ts";

export function createStudyReporter(options: ProgressOptions): StudyReporter {
  return options.stream.isTTY ? new BarStudy(options) : new LineStudy(options);
}

class LineStudy implements StudyReporter {
  readonly #stream: NodeJS.WriteStream;
  readonly #verbose: boolean;
  readonly #begin = performance.now();
  #total = 0;
  #done = 0;

  constructor({ stream, verbose }: ProgressOptions) {
    this.#stream = stream;
    this.#verbose = verbose;
  }

  begin(total: number): void {
    this.#total = total;
  }

  phase(): void {
    // Lines that never end up in a log file are what the bar is for.
  }

  done(line: string): void {
    this.#done++;
    const left = estimateLeft(performance.now() - this.#begin, this.#done, this.#total) ?? 0;
    this.note(`[${String(this.#done).padStart(String(this.#total).length)}/${this.#total}, ${formatDuration(left)} left] ${line}`);
  }

  note(line: string): void {
    this.#stream.write(`${line}\n`);
  }

  output(text: string): void {
    if (this.#verbose) this.#stream.write(text);
  }

  end(): void {
    // Nothing is held.
  }
}

class BarStudy implements StudyReporter {
  readonly #bar: SingleBar;
  readonly #stream: NodeJS.WriteStream;
  readonly #verbose: boolean;
  readonly #begin = performance.now();
  #total = 0;
  #done = 0;
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
      fps: 8,
      gracefulExit: false,
      emptyOnZero: true,
    });
  }

  begin(total: number): void {
    this.#total = total;
    if (total === 0) return;
    this.#running = true;
    this.#bar.start(total, 0, this.#payload("starting"));
  }

  phase(label: string, fraction: number): void {
    this.#bar.update(this.#done + fraction, this.#payload(label));
    // The process is about to compute: draw now, the timer may not fire.
    this.#bar.render();
  }

  done(line: string): void {
    this.#done++;
    this.#bar.update(this.#done, this.#payload(line));
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
    const left = estimateLeft(performance.now() - this.#begin, this.#done, this.#total);
    return { label, count: `${this.#done}/${this.#total}`, left: left === undefined ? "-" : formatDuration(left) };
  }
}
