#!/usr/bin/env node
/** The `bench` command: finds the subcommand, loads it, runs it, and turns whatever happens into one line and an exit code. */
import { Command } from "commander";
import { UsageError } from "../errors.ts";
import { COMMANDS, PLANNED_COMMANDS } from "./commands.ts";
import type { CommandRow } from "./commands.ts";
import { describeFailure } from "./errors.ts";
import { packageVersion } from "../harness/version.ts";
import { hint } from "../harness/hint.ts";

const EXAMPLES = `
Examples:
  bench --suite mobile                       three models, four recipes, three targets
  bench --model net.onnx --recipe fp32 int8 --dataset data.json
  bench compress net.onnx --recipe prune:0.7,block=1x8+int8 -o small.onnx
  bench doctor                               does everything work here?

"bench run --help" lists the options of a run.`;

/** `bench --suite mobile` means `bench run --suite mobile`; help and version belong to `bench` itself. */
function splitCommand(args: readonly string[]): { readonly name: string; readonly rest: readonly string[] } | undefined {
  const [first, ...rest] = args;
  if (first === undefined) return { name: "run", rest: [] };
  if (["-h", "--help", "-V", "--version", "help"].includes(first)) return undefined;
  if (first.startsWith("-")) return { name: "run", rest: args };
  return { name: first, rest };
}

async function main(args: readonly string[]): Promise<void> {
  const split = splitCommand(args);
  if (split === undefined) {
    await overview().parseAsync(args, { from: "user" });
    return;
  }
  const row = COMMANDS.find(({ name }) => name === split.name) ?? unknownCommand(split.name);
  const program = overview(row);
  const command = await row.load();
  prepare(command);
  program.addCommand(command);
  await program.parseAsync([row.name, ...split.rest], { from: "user" });
}

function unknownCommand(name: string): never {
  if (PLANNED_COMMANDS.some((planned) => planned === name)) {
    throw new UsageError(`bench ${name}: is not available yet in version ${packageVersion()}`, "bench --help lists what is");
  }
  const names = COMMANDS.map((command) => command.name);
  throw new UsageError(`bench ${name}: unknown command, expected one of ${names.join(", ")}.${hint(name, names)}`);
}

/** The program with all commands as stubs for the help text, save the one that is about to be loaded. */
function overview(loaded?: CommandRow): Command {
  const program = new Command("bench")
    .description("How fast, how big and how accurate is a compressed model on this hardware, and why?")
    .version(packageVersion())
    .usage("[run] [options] | COMMAND")
    .addHelpText("after", EXAMPLES);
  for (const row of COMMANDS) if (row !== loaded) program.command(row.name).description(row.about);
  prepare(program);
  return program;
}

/** Errors come back as exceptions, printed in one place; every command takes --verbose. */
function prepare(command: Command): void {
  command.exitOverride().configureOutput({ outputError: () => undefined });
  if (command.parent === null && command.name() !== "bench" && !command.options.some((option) => option.long === "--verbose")) {
    command.option("--verbose", "show stack traces and the output of child processes");
  }
  for (const sub of command.commands) prepare(sub);
}

/** A reader that went away (`bench list | head`) is not an error. */
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit(0);
  throw error;
});

const args = process.argv.slice(2);
try {
  await main(args);
} catch (error) {
  const { line, exitCode, stack } = describeFailure(error);
  if (line !== undefined) console.error(line);
  if (stack !== undefined && args.includes("--verbose")) console.error(stack);
  process.exitCode = exitCode;
}
