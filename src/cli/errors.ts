/** One line for the user, the stack only with --verbose, and the exit codes that scripts rely on. */
import { CommanderError } from "commander";
import { SlimbenchError } from "../errors.ts";

/** 0 fine · 1 a gate failed · 2 input or command line · 3 nothing could be concluded · 4 unavailable target or failed record. */
export type ExitCode = 0 | 1 | 2 | 3 | 4 | 130 | 143;

export interface Failure {
  /** Absent: commander has printed what there is to say (help, version). */
  readonly line?: string;
  readonly exitCode: number;
  readonly stack?: string;
}

export function describeFailure(error: unknown): Failure {
  if (error instanceof CommanderError) {
    if (error.exitCode === 0) return { exitCode: 0 };
    return { line: oneLine(tidy(error.message)), exitCode: 2 };
  }
  if (error instanceof SlimbenchError) {
    const line = sentences(error.message, error.remedy);
    return { line: `error: ${line}`, exitCode: error.exitCode, ...stackOf(error) };
  }
  const message = error instanceof Error ? error.message : String(error);
  return { line: `error: ${sentences(message, "Run again with --verbose and report it")}`, exitCode: 4, ...stackOf(error) };
}

/** Commander's texts in the form of ours: `error: unknown option '--x' (Did you mean --y?)` on one line. */
function tidy(message: string): string {
  const text = message.startsWith("error: ") ? message : `error: ${message}`;
  return text.replace(/\n\(Did you mean (.*)\?\)/, ". Did you mean $1?");
}

/** Words that are typed as they stand. */
const COMMAND_WORD = /^(bench|npm|npx|apt-get) /;

/** Message and remedy as two sentences. */
export function sentences(message: string, remedy: string): string {
  const first = oneLine(message).replace(/[.\s]+$/, "");
  const second = oneLine(remedy).replace(/[.\s]+$/, "");
  if (second === "" || first.endsWith(second)) return first;
  const start = COMMAND_WORD.test(second) ? second : second.charAt(0).toUpperCase() + second.slice(1);
  return `${first}${/[?!]$/.test(first) ? "" : "."} ${start}`;
}

function oneLine(text: string): string {
  return text.replace(/\s*\n\s*/g, " ").trim();
}

function stackOf(error: unknown): { readonly stack?: string } {
  return error instanceof Error && error.stack !== undefined ? { stack: error.stack } : {};
}
