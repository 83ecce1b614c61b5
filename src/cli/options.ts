/** Option parsers that several commands share. */
import { InvalidArgumentError } from "commander";
import type { Command } from "commander";
import { UsageError } from "../errors.ts";
import { parseShape } from "../harness/plan.ts";
import type { ProbeOptions } from "../harness/probe.ts";
import { parsePageAddress, parseRemote } from "../hosts/browser/remote.ts";
import type { PageAddress, RemoteBrowser } from "../hosts/browser/remote.ts";

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

/** Of what `--seed` chooses where nobody says one. */
export const DEFAULT_SEED = 1;

export function wholeNumber(text: string): number {
  const n = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(n)) throw new InvalidArgumentError(`got "${text}", expected a whole number.`);
  return n;
}

export function positiveNumber(text: string): number {
  const n = wholeNumber(text);
  if (n < 1) throw new InvalidArgumentError(`got "${text}", expected a whole number from 1.`);
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

/** The words of `addBrowserOptions`. */
export interface BrowserWords {
  readonly browser?: readonly string[];
  readonly browserWs?: readonly RemoteBrowser[];
  readonly pageAddress?: PageAddress;
}

/** Options of every command that may use a browser. */
export function addBrowserOptions(command: Command): Command {
  return command
    .option(
      "--browser <path>",
      "the browser for @chrome or @firefox targets, told apart by its name or as firefox=PATH; repeatable (default: an installed one; for @chrome else the one from npm)",
      collect,
    )
    .option(
      "--browser-ws <[NAME=]URL>",
      "a running browser for @ws targets, or for @ws:NAME ones; Chrome's debugging address, ws://… or http://HOST:9222; only our own page in it is closed; repeatable",
      (text: string, before: readonly RemoteBrowser[] | undefined) => addRemote(before ?? [], parseRemote(text)),
    )
    .option(
      "--page-address <HOST:PORT>",
      "where such a browser finds this machine (default: 127.0.0.1 and a free port, for a browser here; for another, forward one: adb reverse tcp:8123 tcp:8123, or ssh -R)",
      parsePageAddress,
    );
}

function addRemote(before: readonly RemoteBrowser[], remote: RemoteBrowser): readonly RemoteBrowser[] {
  if (before.some(({ name }) => name === remote.name)) {
    throw new UsageError(
      `--browser-ws ${remote.endpoint}: ${remote.name === "" ? "a second browser without a name" : `name "${remote.name}" is given twice`}`,
      "Name each: NAME=URL, for targets ENGINE@ws:NAME",
    );
  }
  return [...before, remote];
}

const BROWSER_KIND = /^(chrome|firefox)=(.+)$/s;

export function browserChoice({ browser = [], browserWs = [], pageAddress }: BrowserWords): ProbeOptions {
  const browsers = browser.map((word): readonly ["chrome" | "firefox", string] => {
    const [, kind, path] = BROWSER_KIND.exec(word) ?? [];
    if (path !== undefined) return [kind === "firefox" ? "firefox" : "chrome", path];
    return [/firefox[^/\\]*$/i.test(word) ? "firefox" : "chrome", word];
  });
  return {
    browsers: Object.fromEntries(browsers),
    remotes: browserWs.map((remote) => (pageAddress === undefined ? remote : { ...remote, page: pageAddress })),
  };
}
