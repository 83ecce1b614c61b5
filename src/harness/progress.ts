/** What a run tells whoever watches; the command line draws it. */
import type { ResultRecord } from "../results/schema.ts";
import type { PlannedRecord } from "./plan.ts";

export interface Reporter {
  /**
   * @param total records of the run, finished ones of a resumed run not counted
   * @param processes that each of them takes
   */
  begin(total: number, processes: number): void;
  /** What is happening to a record now. `fraction` 0..1 within the phase. */
  phase(record: PlannedRecord, phase: string, fraction: number, ms?: number): void;
  /** A process of a record is over, and it was not the last. */
  step(record: PlannedRecord): void;
  done(record: ResultRecord): void;
  /** One line for the user that belongs to no record. */
  note(line: string): void;
  /** Output of a child process, for --verbose. */
  output(text: string): void;
  end(): void;
}

export const silentReporter: Reporter = {
  begin: () => undefined,
  phase: () => undefined,
  step: () => undefined,
  done: () => undefined,
  note: () => undefined,
  output: () => undefined,
  end: () => undefined,
};
