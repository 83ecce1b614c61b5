/**
 * `npm run bench:compress -- [costs] [deep] [--out FILE]`: what compressing costs (seconds, memory), and how small prune + cluster + gap and
 * Huffman coding make the two LeNets of Deep Compression in one shot. Both parts unless one is named; --out writes the same as JSON.
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { drawTable } from "../src/cli/plain-table.ts";
import { packageVersion } from "../src/harness/version.ts";
import { measureCosts, type Cost } from "./compress/costs.ts";
import { deepRows, type DeepRow } from "./compress/deep.ts";

const PARTS = ["costs", "deep"] as const;

/** One-shot recipes: shares that the nets bear, 64 shared values in dense layers as in the paper's 6 bits. */
const NETS: Readonly<Record<string, readonly string[]>> = {
  lenet300: ["prune:0.93,scope=global+cluster:64"],
  lenet5: ["prune:0.8,scope=global+cluster:64", "prune:0.85,scope=global+cluster:32"],
};

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({ options: { out: { type: "string" } }, allowPositionals: true });
  const unknown = positionals.find((part) => !PARTS.some((known) => known === part));
  if (unknown !== undefined) throw new Error(`bench-compress: no part "${unknown}", expected ${PARTS.join(" or ")}`);
  const wanted = (part: (typeof PARTS)[number]): boolean => positionals.length === 0 || positionals.includes(part);
  const folder = await mkdtemp(join(tmpdir(), "slimbench-compress-"));
  try {
    const costs = wanted("costs") ? await measureCosts() : [];
    if (costs.length > 0) console.log(costTable(costs));
    const deep: DeepRow[] = [];
    for (const [net, recipes] of wanted("deep") ? Object.entries(NETS) : []) {
      const path = new URL(`../suites/models/${net}.onnx`, import.meta.url).pathname;
      deep.push(...(await deepRows(path, recipes, folder)));
    }
    if (deep.length > 0) console.log(deepTable(deep));
    if (values.out === undefined) return;
    const environment = { tool: { name: "slimbench", version: packageVersion() }, node: process.version, platform: process.platform };
    await writeFile(values.out, `${JSON.stringify({ environment, costs, deep }, null, 2)}\n`);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function costTable(costs: readonly Cost[]): string {
  const heads = [["cost", "left"] as const, ...(["measured", "processor", "at most"] as const).map((head) => [head, "right"] as const)];
  return drawTable(
    heads,
    costs.map(({ what, value, unit, processorSeconds, atMost }) => [
      what,
      `${value.toFixed(2)} ${unit}`,
      `${processorSeconds.toFixed(2)} s`,
      `${atMost} ${unit}`,
    ]),
    false,
  );
}

function deepTable(rows: readonly DeepRow[]): string {
  const heads = [
    ...(["model", "recipe"] as const).map((head) => [head, "left"] as const),
    ...(["float32", "kept (P)", "P+Q", "P+Q+H", "error", "after"] as const).map((head) => [head, "right"] as const),
  ];
  const size = (bytes: number, of: number): string => `${(bytes / 1000).toFixed(1)} KB (${(of / bytes).toFixed(1)}×)`;
  const percent = (share: number): string => `${(100 * share).toFixed(2)} %`;
  return drawTable(
    heads,
    rows.map(({ model, recipe, bytes, kept, sharedBytes, archiveBytes, error }) => [
      model,
      recipe,
      `${(bytes / 1000).toFixed(0)} KB`,
      `${percent(kept)} (${(1 / kept).toFixed(1)}×)`,
      size(sharedBytes, bytes),
      size(archiveBytes, bytes),
      ...error.map(percent),
    ]),
    false,
  );
}

await main();
