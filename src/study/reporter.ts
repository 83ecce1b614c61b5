/** What a study tells whoever watches, and what both studies take. */
import type { ProbeOptions } from "../harness/probe.ts";

export interface StudyReporter {
  begin(total: number): void;
  /** What is under way; `fraction` of a unit of the total, counted from the last one that is over. */
  phase(label: string, fraction: number): void;
  /** A unit of the total is over, with a line about it. */
  done(line: string): void;
  /** One line for the user that belongs to no unit. */
  note(line: string): void;
  /** Output of a child process, for --verbose. */
  output(text: string): void;
  end(): void;
}

export interface StudyOptions extends ProbeOptions {
  readonly reporter: StudyReporter;
  /** Ends the study early; what is done is kept. */
  readonly signal: AbortSignal;
  /** A child without a sign of life for so long is ended. */
  readonly silenceMs: number;
  /** Another child script, for tests. */
  readonly childPath?: string | undefined;
}
