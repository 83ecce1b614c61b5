/** `bench doctor`: every target, whether it works here, and the command that mends it. */
import { Command } from "commander";
import pc from "picocolors";
import { BROWSER_ENGINES, ENGINE_NAMES, NODE_ENGINES } from "../engines/registry.ts";
import { checkTarget } from "../harness/checkup.ts";
import { parseTarget } from "../harness/target.ts";
import { packageVersion } from "../harness/version.ts";
import { findFirefox } from "../hosts/browser/firefox.ts";
import { sentences } from "./errors.ts";
import { addBrowserOptions, browserChoice } from "./options.ts";
import type { BrowserWords } from "./options.ts";

export function doctorCommand(): Command {
  return addBrowserOptions(
    new Command("doctor")
      .description("check every target: does it work here, and what mends it")
      .argument("[targets...]", "targets to check (default: every engine in Node, in Chrome, and in Firefox where it is installed)")
      .action(doctor),
  );
}

async function doctor(words: readonly string[], options: BrowserWords): Promise<void> {
  const targets = (words.length === 0 ? everyTarget(await hasFirefox()) : words).map(parseTarget);
  const width = Math.max(...targets.map(({ text }) => text.length));
  console.log(`slimbench ${packageVersion()}, Node ${process.version}, ${process.platform} ${process.arch}`);
  let broken = 0;
  for (const target of targets) {
    const { works, detail, remedy, software } = await checkTarget(target, browserChoice(options));
    if (!works) broken++;
    const mark = works ? pc.green("works ") : pc.red("broken");
    const label = software && works ? "software GPU, " : "";
    console.log(`${mark}  ${target.text.padEnd(width)}  ${label}${works ? detail : sentences(detail, remedy)}`.trimEnd());
  }
  if (broken > 0) process.exitCode = 4;
}

/** Each engine in each host that can have it. */
export function everyTarget(firefox: boolean): readonly string[] {
  const hosts = ["", "@chrome", ...(firefox ? ["@firefox"] : [])];
  return hosts.flatMap((host) => {
    const impossible = host === "" ? BROWSER_ENGINES : NODE_ENGINES;
    return ENGINE_NAMES.filter((engine) => !impossible.includes(engine)).map((engine) => `${engine}${host}`);
  });
}

function hasFirefox(): Promise<boolean> {
  return findFirefox().then(
    () => true,
    () => false,
  );
}
