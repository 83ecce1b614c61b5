/** What a run tells whoever watches; the command line draws it. */
import type { ResultRecord } from "../results/schema.ts";
import type { PlannedRecord } from "./plan.ts";

export interface Reporter {
  /** @param total records of the run, finished ones of a resumed run not counted */
  begin(total: number): void;
  /** What is happening to a record now. `fraction` 0..1 within the phase. */
  phase(record: PlannedRecord, phase: string, fraction: number, ms?: number): void;
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
  done: () => undefined,
  note: () => undefined,
  output: () => undefined,
  end: () => undefined,
};
