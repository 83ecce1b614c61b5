/** The target word `ENGINE[@HOST][:key=value,…]`: `cpu`, `wasm:threads=2`, `webgpu@chrome`, `webgpu@ws:NAME`. */
import { ENGINE_NAMES } from "../engines/registry.ts";
import { UsageError } from "../errors.ts";
import { hint } from "./hint.ts";

export type Host =
  | { readonly kind: "node" }
  | { readonly kind: "chrome" }
  | { readonly kind: "firefox" }
  /** A browser that somebody else started; an empty name: the one that --browser-ws gives without a name. */
  | { readonly kind: "ws"; readonly name: string };

export interface Target {
  /** As the user typed it; the record's `target`. */
  readonly text: string;
  readonly engine: string;
  readonly host: Host;
  readonly options: Readonly<Record<string, string>>;
}

/** Words that are part of the language but run in a later version: a record says `unavailable`, it is not a typing error. */
export const PLANNED_ENGINES = [
  "ort-cpu",
  "ort-wasm",
  "ort-webgpu",
  "litert-wasm",
  "litert-webgpu",
  "tfjs-cpu",
  "tfjs-wasm",
  "tfjs-webgl",
  "tfjs-webgpu",
] as const;
const HOSTS = ["node", "chrome", "firefox", "ws", "ws:NAME"] as const;

const FORM = "ENGINE[@HOST][:key=value,...], e.g. wasm, wasm:threads=2, webgpu@chrome";

/** @throws UsageError naming the part that does not parse */
export function parseTarget(text: string): Target {
  const trimmed = text.trim();
  const match = /^([^@:]*)(?:@(ws:[^:=,]*(?=:|$)|[^:]*))?(?::(.*))?$/s.exec(trimmed);
  if (trimmed === "" || match === null) throw new UsageError(`target "${text}": is empty or malformed, expected ${FORM}`);
  const [, engine = "", hostText, optionText] = match;
  const known: readonly string[] = [...ENGINE_NAMES, ...PLANNED_ENGINES];
  if (!known.includes(engine)) {
    throw new UsageError(`target "${text}": unknown engine "${engine}", expected one of ${ENGINE_NAMES.join(", ")}.${hint(engine, known)}`);
  }
  return { text: trimmed, engine, host: parseHost(text, hostText), options: parseOptions(text, optionText) };
}

function parseHost(target: string, text: string | undefined): Host {
  if (text === undefined || text === "node") return { kind: "node" };
  if (text === "chrome") return { kind: "chrome" };
  if (text === "firefox") return { kind: "firefox" };
  if (text === "ws") return { kind: "ws", name: "" };
  if (text.startsWith("ws:")) {
    const name = text.slice(3);
    if (name === "") throw new UsageError(`target "${target}": host "ws:" has no name, expected ws or ws:NAME`);
    return { kind: "ws", name };
  }
  throw new UsageError(`target "${target}": unknown host "${text}", expected one of ${HOSTS.join(", ")}.${hint(text, HOSTS)}`);
}

function parseOptions(target: string, text: string | undefined): Readonly<Record<string, string>> {
  const options: Record<string, string> = {};
  if (text === undefined) return options;
  for (const part of text.split(",")) {
    const match = /^([A-Za-z][A-Za-z0-9_-]*)=(.+)$/.exec(part.trim());
    const [, key, value] = match ?? [];
    if (key === undefined || value === undefined) {
      throw new UsageError(
        `target "${target}": option "${part}" is malformed, expected key=value, e.g. ${target.split(":")[0] ?? ""}:threads=2`,
      );
    }
    if (Object.hasOwn(options, key)) throw new UsageError(`target "${target}": option "${key}" is given twice. Keep one`);
    options[key] = value;
  }
  return options;
}
