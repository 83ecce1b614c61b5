/**
 * How a recipe names layers: by name with `*` for any characters, or by a regular expression in the customary form `/…/`, with `i` behind it where
 * capitals do not count. An expression may hold the characters that otherwise part a recipe: `,`, `+` and `|`. It ends at its first `/` that is not
 * escaped, which the pattern's end must follow, so that a path such as `/features/0/Conv` is a name.
 */
import { LIST_SEPARATOR } from "./names.ts";

/** Between slashes: escapes, classes, and everything but slashes and line ends. At a place in a text; what ends a pattern follows. */
const EXPRESSION = /\/(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\[\n])+\/i?(?=\s*(?:[|,+]|$))/y;
/** Options that hold patterns, with what stands before them in a step. */
const PATTERN_OPTION = /(?:^|,)\s*(?:only|include|exclude)=/g;

/** Stretches of a step, or of a whole recipe, that are regular expressions: [start, end). */
function expressionsIn(text: string): readonly (readonly [number, number])[] {
  const spans: (readonly [number, number])[] = [];
  for (const option of text.matchAll(PATTERN_OPTION)) spans.push(...expressionsOfList(text, option.index + option[0].length));
  return spans;
}

function expressionsOfList(text: string, start: number): readonly (readonly [number, number])[] {
  const spans: (readonly [number, number])[] = [];
  for (let at = start; ; at++) {
    EXPRESSION.lastIndex = at;
    if (EXPRESSION.test(text)) {
      spans.push([at, EXPRESSION.lastIndex]);
      at = EXPRESSION.lastIndex;
    }
    while (at < text.length && !`${LIST_SEPARATOR},+`.includes(text[at]!)) at++;
    if (text[at] !== LIST_SEPARATOR) return spans;
  }
}

/** As `split`, but for separators within regular expressions. @param text of a recipe or a step */
export function splitOutside(text: string, separator: "+" | ","): readonly string[] {
  return splitApart(text, separator, expressionsIn(text));
}

/** Patterns of the option's value. */
export function splitPatterns(list: string): readonly string[] {
  return splitApart(list, LIST_SEPARATOR, expressionsOfList(list, 0));
}

function splitApart(text: string, separator: string, kept: readonly (readonly [number, number])[]): readonly string[] {
  const pieces: string[] = [];
  let from = 0;
  for (let at = text.indexOf(separator); at >= 0; at = text.indexOf(separator, at + 1)) {
    if (kept.some(([start, end]) => at >= start && at < end)) continue;
    pieces.push(text.slice(from, at));
    from = at + 1;
  }
  return [...pieces, text.slice(from)];
}

/** What is wrong with a pattern, as the end of a sentence; undefined: nothing. */
export function patternFault(pattern: string): string | undefined {
  if (pattern === "") return "is empty";
  const flags = /^\/.+\/([dgimsuvy]{1,3})$/.exec(pattern)?.[1];
  if (flags !== undefined && flags !== "i" && new Set(flags).size === flags.length)
    return `has the flags "${flags}" of a regular expression, expected i or none. Of a name that ends so, write * for its last /`;
  if (expressionOf(pattern) === undefined) {
    const isBroken = /^\/(\^|.*\\)/.test(pattern);
    return isBroken
      ? "begins like a regular expression and does not end like one, expected /…/ or /…/i with \\/ for a slash in it"
      : undefined;
  }
  try {
    compile(pattern);
    return undefined;
  } catch (error) {
    return `is no regular expression: ${error instanceof Error ? error.message.replace(/^Invalid regular expression: /, "") : String(error)}`;
  }
}

/** Source and flags; undefined for a plain name. */
function expressionOf(pattern: string): readonly [source: string, flags: string] | undefined {
  EXPRESSION.lastIndex = 0;
  if (!EXPRESSION.test(pattern) || EXPRESSION.lastIndex !== pattern.length) return undefined;
  const end = pattern.lastIndexOf("/");
  return [pattern.slice(1, end), pattern.slice(end + 1)];
}

const compiled = new Map<string, RegExp | undefined>();

function compile(pattern: string): RegExp | undefined {
  if (!compiled.has(pattern)) {
    const parts = expressionOf(pattern);
    compiled.set(pattern, parts && new RegExp(...parts));
  }
  return compiled.get(pattern);
}

/** Whether `name` matches one of the patterns: names with `*`, whole; regular expressions anywhere in it. */
export function matchesAny(name: string, patterns: readonly string[]): boolean {
  return patterns.some((pattern) => compile(pattern)?.test(name) ?? matchesGlob(name, pattern));
}

/** Whether `name` is the pattern, in which `*` stands for any characters. */
export function matchesGlob(name: string, pattern: string): boolean {
  const [first = "", ...rest] = pattern.split("*");
  if (rest.length === 0) return name === pattern;
  if (!name.startsWith(first)) return false;
  let at = first.length;
  const last = rest.pop()!;
  for (const part of rest) {
    const found = name.indexOf(part, at);
    if (found < 0) return false;
    at = found + part.length;
  }
  return name.length - last.length >= at && name.endsWith(last);
}
