/**
 * Promise against delivery: what a recipe saves in theory (multiply-accumulates, non-zero weights, bytes of weights) and what it saved in fact (file, packed
 * file, memory, time), each as a share of the original on the same target; where time falls short of the multiply-accumulates, the reason that the engine
 * gave for its kernels.
 */
import type { OkRecord, ResultRecord } from "../results/schema.ts";
import type { Exporter } from "./exporter.ts";
import { ABSENT } from "./format.ts";
import { modelMemory, modelViews } from "./view.ts";
import { tableExporter } from "./table.ts";

const ORIGINAL = "fp32";

/** Time may be this much longer than the share of multiply-accumulates before a reason is due: every inference has other work too. */
const SHORTFALL = 1.1;

interface Entry {
  readonly record: OkRecord;
  /** Shares of the original: 0.25 is a quarter. Absent where either was not measured. */
  readonly promise: Shares<"macs" | "effectiveMacs" | "nonzero" | "weightBytes">;
  readonly delivery: Shares<"fileBytes" | "brotliBytes" | "slimBytes" | "memory" | "time">;
  /** Why time falls short of the multiply-accumulates. */
  readonly reason?: string;
  /** Why the file falls short of the weights that are not zero. */
  readonly fileReason?: string;
}

type Shares<K extends string> = Readonly<Partial<Record<K, number>>>;

/** One entry for each compressed record that is ok and has an original on its target. */
export function ledgerEntries(records: readonly ResultRecord[]): readonly Entry[] {
  const ok = records.filter((record) => record.status === "ok");
  return ok.flatMap((record) => {
    const original = ok.find(({ model, target, recipe }) => recipe === ORIGINAL && model === record.model && target === record.target);
    return record.recipe === ORIGINAL || original === undefined ? [] : [entryOf(original, record)];
  });
}

function entryOf(original: OkRecord, record: OkRecord): Entry {
  const share = (value: (of: OkRecord) => number | undefined): number | undefined => {
    const [before, after] = [value(original), value(record)];
    return before === undefined || after === undefined || before === 0 ? undefined : after / before;
  };
  const promise = known({
    macs: share(({ compute }) => compute?.macs),
    // The original's own zeros are no saving.
    effectiveMacs: share(({ compute }) => compute?.effectiveMacs),
    nonzero: share(({ size }) => size?.nonzeroParams),
    weightBytes: share(({ size }) => size?.weightBytes),
  });
  const delivery = known({
    fileBytes: share(({ size }) => size?.fileBytes),
    brotliBytes: share(({ size }) => size?.brotliBytes),
    slimBytes: share(({ size }) => size?.slimBytes),
    memory: share(modelMemory),
    time: share(({ latencyMs }) => latencyMs.median),
  });
  const short = delivery.time !== undefined && promise.effectiveMacs !== undefined && delivery.time > SHORTFALL * promise.effectiveMacs;
  const reason = short ? reasonOf(record) : undefined;
  const fileReason = reasonOfFile(promise, delivery);
  return { record, promise, delivery, ...(reason !== undefined && { reason }), ...(fileReason !== undefined && { fileReason }) };
}

/** ONNX and what engines load hold every weight, zeros too; codings do not. */
function reasonOfFile(
  { nonzero, weightBytes }: Entry["promise"],
  { fileBytes, brotliBytes, slimBytes }: Entry["delivery"],
): string | undefined {
  if (nonzero === undefined || fileBytes === undefined || weightBytes === undefined || nonzero >= 1) return undefined;
  if (weightBytes * nonzero * SHORTFALL >= fileBytes) return undefined;
  const coded = [
    ...(slimBytes === undefined ? [] : [`gaps and Huffman codes (.slim) ${shareText(slimBytes)}`]),
    ...(brotliBytes === undefined ? [] : [`brotli ${shareText(brotliBytes)}`]),
  ];
  return `the file stores zeros like any other weight${coded.length === 0 ? "" : `; coded, they cost little: ${coded.join(", ")}`}`;
}

function known<K extends string>(shares: Readonly<Record<K, number | undefined>>): Shares<K> {
  return Object.fromEntries(Object.entries(shares).filter(([, value]) => value !== undefined)) as Shares<K>;
}

/** What placement says of zeros that no kernel skips: the reason that most layers share, and one of them. */
function reasonOf({ placement = [] }: OkRecord): string | undefined {
  const dense = placement.filter(({ why }) => why !== undefined && / are zero; .*(pays from|does not pay).*dense kernel/.test(why));
  const [first] = dense;
  if (first?.why === undefined) return undefined;
  return `${first.node}: ${first.why}${dense.length > 1 ? `, and ${dense.length - 1} more` : ""}`;
}

function shareText(share: number | undefined): string {
  return share === undefined ? ABSENT : share.toFixed(2);
}

export const ledgerExporter: Exporter = {
  name: "ledger",
  results(results) {
    const lines: string[] = ["Shares of the original (fp32 on the same target): promised, and delivered."];
    for (const result of results) {
      for (const { model, records } of modelViews(result.records)) {
        lines.push("", model);
        const entries = ledgerEntries(records.map(({ record }) => record));
        if (entries.length === 0) lines.push("  no compressed record with its original beside it");
        for (const { record, promise, delivery, reason, fileReason } of entries) {
          lines.push(
            `  ${record.recipe} on ${record.target}`,
            `    promised   MACs ${shareText(promise.macs)}  effective ${shareText(promise.effectiveMacs)}  non-zero weights ${shareText(promise.nonzero)}  bytes of weights ${shareText(promise.weightBytes)}`,
            `    delivered  time ${shareText(delivery.time)}  memory ${shareText(delivery.memory)}  file ${shareText(delivery.fileBytes)}  brotli ${shareText(delivery.brotliBytes)}${delivery.slimBytes === undefined ? "" : `  .slim ${shareText(delivery.slimBytes)}`}`,
          );
          if (fileReason !== undefined) lines.push(`    file       ${fileReason}`);
          if (reason !== undefined) lines.push(`    why        ${reason}`);
        }
      }
    }
    return `${lines.join("\n")}\n`;
  },
  comparison: (comparison, options) => tableExporter.comparison(comparison, options),
};
