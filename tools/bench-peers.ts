/**
 * The same models side by side on our WASM or WebGPU engine and on the runtimes that a web developer could pick, interleaved, one thread:
 * `npm run bench:peers -- --help`. Every runtime's outputs are verified before it is timed. Markdown goes to standard output, everything
 * (samples, environment, profiles) to the file of `--out`.
 */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { cpus, loadavg, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { Command } from "commander";
import { collectShape } from "../src/cli/options.ts";
import { SlimbenchError, UsageError } from "../src/errors.ts";
import { parseTarget, type Target } from "../src/harness/target.ts";
import type { PeerCase } from "./peers/case.ts";
import { openChromiumHost } from "./peers/chromium-host.ts";
import { PEER_PACKAGES, type Host } from "./peers/host.ts";
import { defaultSources, sourcesOf } from "./peers/models.ts";
import { openNodeHost } from "./peers/node-host.ts";
import { INT8_STEPS, prepareCases } from "./peers/prepare.ts";
import { caseRow, markdown, type CaseRow, type HostReport } from "./peers/report.ts";
import { FULL, QUICK, type RoundSettings } from "./peers/rounds.ts";

interface Words {
  readonly host?: string;
  readonly models?: readonly string[];
  readonly shape?: ReadonlyMap<string, readonly number[]>;
  readonly filter?: readonly string[];
  readonly target: string;
  readonly quick?: boolean;
  readonly profile?: boolean;
  readonly out?: string;
}

const HOSTS: Readonly<Record<string, (folder: string, settings: RoundSettings, target: Target) => Host | Promise<Host>>> = {
  node: openNodeHost,
  chromium: openChromiumHost,
};

/** In Node, nobody else computes on the GPU. */
const HOSTS_OF = { wasm: "node,chromium", webgpu: "chromium" } as const;

async function main(words: Words): Promise<void> {
  const target = parseTarget(words.target);
  if (target.engine !== "wasm" && target.engine !== "webgpu") {
    throw new UsageError(`--target: got "${words.target}", expected wasm or webgpu, with options`);
  }
  const hosts = (words.host ?? HOSTS_OF[target.engine]).split(",").map((name) => {
    const open = Object.hasOwn(HOSTS, name) ? HOSTS[name] : undefined;
    if (open === undefined) throw new UsageError(`--host: got "${name}", expected ${Object.keys(HOSTS).join(", ")} or both`);
    return open;
  });
  const settings = words.quick === true ? QUICK : FULL;
  const sources = words.models === undefined ? defaultSources() : sourcesOf(words.models, words.shape ?? new Map());
  const accept = (title: string): boolean => words.filter?.some((text) => title.toLowerCase().includes(text.toLowerCase())) ?? true;

  const folder = await mkdtemp(join(tmpdir(), "slimbench-peers-"));
  try {
    console.error("preparing models, references and int8 twins");
    const cases = await prepareCases(sources, folder, accept);
    if (cases.length === 0) throw new UsageError(`--filter: matches none of the models`);
    const environment = await describeMachine();
    const contestant = target.engine === "wasm" ? { ...target, options: { threads: "1", ...target.options } } : target;
    const reports: HostReport[] = [];
    for (const open of hosts) reports.push(await runHost(await open(folder, settings, contestant), cases));
    const about = Object.entries(environment).map(([key, value]) => `- ${key}: ${value}`);
    const reading = [
      "×N: the runtime's time over ours in the same round, median and 95 % interval; above 1 we are faster.",
      `Outputs are within the derived float tolerance of the CPU engine's; int8 ones within ${INT8_STEPS} steps of the output's grid (ours: exact).`,
    ];
    console.log([...about, "", ...reading, "", markdown(reports, words.profile === true)].join("\n"));
    if (words.out !== undefined)
      await writeFile(words.out, `${JSON.stringify({ environment, target: words.target, settings, hosts: reports })}\n`);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function runHost(host: Host, cases: readonly PeerCase[]): Promise<HostReport> {
  const rows: CaseRow[] = [];
  try {
    for (const one of cases) {
      const row = caseRow(one, await host.run(one));
      rows.push(row);
      const best = row.fastest === undefined ? "" : `, ×${row.fastest.ratio.toFixed(2)} against ${row.fastest.name}`;
      const own = row.peers[0];
      console.error(
        `${host.name}: ${one.title}: ${own?.medianMs === undefined ? (own?.reason ?? "") : `${own.medianMs.toFixed(4)} ms`}${best}`,
      );
    }
  } finally {
    await host.close();
  }
  return { host: host.name, environment: host.environment, rows };
}

async function describeMachine(): Promise<Readonly<Record<string, string>>> {
  const versions = await Promise.all(
    PEER_PACKAGES.map(async (name) => {
      const manifest = await readFile(new URL(`../node_modules/${name}/package.json`, import.meta.url), "utf8");
      return [name, (JSON.parse(manifest) as { readonly version: string }).version] as const;
    }),
  );
  const processors = cpus();
  return {
    date: new Date().toISOString(),
    cpu: `${processors[0]?.model ?? "?"}, ${processors.length} logical`,
    memory: `${(totalmem() / 2 ** 30).toFixed(0)} GiB`,
    "load average": loadavg()[0]!.toFixed(2),
    ...Object.fromEntries(versions),
  };
}

const program = new Command("bench:peers")
  .option("--host <NAMES>", "node, chromium or both, separated by a comma; both by default, chromium for webgpu")
  .option("--models <MODEL...>", "files, folders, npm:PACKAGE/PATH, or the word default for the built-in list")
  .option("--shape <NAME=DIMS>", "bind an input's dynamic dimensions, e.g. x=1,3,48,192; repeatable", collectShape)
  .option("--filter <TEXT...>", "only models whose titles contain one of the texts")
  .option("--target <TARGET>", "our engine, wasm or webgpu, with its options", "wasm")
  .option("--quick", "few and short rounds: shows that everything works")
  .option("--profile", "our time by kernel, for every model")
  .option("--out <FILE>", "write everything as JSON")
  .action(main);

try {
  await program.parseAsync();
} catch (error) {
  if (!(error instanceof SlimbenchError)) throw error;
  console.error(error.message);
  process.exitCode = error.exitCode;
}
