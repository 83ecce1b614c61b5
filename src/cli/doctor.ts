/** `bench doctor`: every target, whether it works here, and the command that mends it. */
import { Command } from "commander";
import pc from "picocolors";
import { ENGINE_NAMES } from "../engines/registry.ts";
import { checkTarget } from "../harness/checkup.ts";
import { parseTarget } from "../harness/target.ts";
import { packageVersion } from "../harness/version.ts";
import { sentences } from "./errors.ts";
import { browserOption } from "./options.ts";

export function doctorCommand(): Command {
  return new Command("doctor")
    .description("check every target: does it work here, and what mends it")
    .argument("[targets...]", "targets to check (default: every engine in Node and in Chrome)")
    .addOption(browserOption())
    .action(doctor);
}

async function doctor(words: readonly string[], { browser }: { readonly browser?: string }): Promise<void> {
  const all = [...ENGINE_NAMES, ...ENGINE_NAMES.map((engine) => `${engine}@chrome`)];
  const targets = (words.length === 0 ? all : words).map(parseTarget);
  const width = Math.max(...targets.map(({ text }) => text.length));
  console.log(`slimbench ${packageVersion()}, Node ${process.version}, ${process.platform} ${process.arch}`);
  let broken = 0;
  for (const target of targets) {
    const { works, detail, remedy, software } = await checkTarget(target, { browser });
    if (!works) broken++;
    const mark = works ? pc.green("works ") : pc.red("broken");
    const label = software && works ? "software GPU, " : "";
    console.log(`${mark}  ${target.text.padEnd(width)}  ${label}${works ? detail : sentences(detail, remedy)}`.trimEnd());
  }
  if (broken > 0) process.exitCode = 4;
}
