/** Option parsers that several commands share. */
import { InvalidArgumentError, Option } from "commander";
import { parseShape } from "../harness/plan.ts";

/** A repeatable option that takes one value each time. */
export function collect(text: string, before: readonly string[] | undefined): readonly string[] {
  return [...(before ?? []), text];
}

/** Repeatable `--shape name=1,3,48,192`. */
export function collectShape(
  text: string,
  before: ReadonlyMap<string, readonly number[]> | undefined,
): ReadonlyMap<string, readonly number[]> {
  return new Map([...(before ?? []), parseShape(text)]);
}

export function wholeNumber(text: string): number {
  const n = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(n)) throw new InvalidArgumentError(`got "${text}", expected a whole number.`);
  return n;
}

/** Seconds, above 0. */
export function seconds(text: string): number {
  const n = Number(text);
  if (!(n > 0 && n < 1e6)) throw new InvalidArgumentError(`got "${text}", expected seconds above 0.`);
  return n;
}

export function percent(text: string): number {
  const n = Number(text);
  if (text.trim() === "" || !(n >= 0 && n < 1000)) throw new InvalidArgumentError(`got "${text}", expected a percentage from 0.`);
  return n;
}

export function browserOption(): Option {
  return new Option("--browser <path>", "the browser for @chrome targets (default: an installed one, else the one from npm)");
}
