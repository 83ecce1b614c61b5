import { describe, expect, it } from "vitest";
import { findExporter } from "../../src/report/index.ts";
import { ledgerEntries } from "../../src/report/ledger.ts";
import type { ResultRecord } from "../../src/results/schema.ts";
import { latency, okRecord, resultOf } from "../results/fixtures.ts";

const size = { params: 1000, nonzeroParams: 1000, fileBytes: 4000, brotliBytes: 3600, weightBytes: 4000 };
const original = okRecord({ target: "wasm", latencyMs: latency(2, 0.01), size, compute: { macs: 10_000, effectiveMacs: 10_000 } });
const why = "60 % of its weights are zero; unstructured pays from 64 %; dense kernel";
const node = { node: "fc1", op: "Dense", kernel: "f32_gemm_packed_4x8__wasm_simd", engine: "wasm", why };
const pruned = okRecord({
  recipe: "prune:0.6",
  target: "wasm",
  latencyMs: latency(1.98, 0.01),
  size: { ...size, nonzeroParams: 400, brotliBytes: 1800 },
  compute: { macs: 10_000, effectiveMacs: 4000 },
  placement: [node, { ...node, node: "fc2" }, { ...node, node: "softmax", why: "only candidate" }],
});

describe("the ledger", () => {
  it("sets promise against delivery, and gives the engine's reason where time falls short", () => {
    const [entry] = ledgerEntries([original, pruned]);
    expect(entry!.promise).toEqual({ macs: 1, effectiveMacs: 0.4, nonzero: 0.4, weightBytes: 1 });
    expect(entry!.delivery).toMatchObject({ time: 0.99, fileBytes: 1, brotliBytes: 0.5 });
    expect(entry!.reason).toBe(`fc1: ${why}, and 1 more`);
    expect(entry!.fileReason).toBe("the file stores zeros like any other weight; coded, they cost little: brotli 0.50");
  });

  it("gives no reason where time follows, or where the engine gave none", () => {
    const fast = { ...pruned, latencyMs: latency(0.8, 0.01) };
    expect(ledgerEntries([original, fast])[0]!.reason).toBeUndefined();
    const { placement, ...silent } = pruned;
    expect(placement).toHaveLength(3);
    expect(ledgerEntries([original, silent])[0]!.reason).toBeUndefined();
  });

  it("explains the file only where zeros are what is missing, and names every coding that was measured", () => {
    const sized = (more: Partial<typeof size> & { readonly slimBytes?: number }): ResultRecord => ({
      ...pruned,
      size: { ...size, ...more },
    });
    const reason = (more: Parameters<typeof sized>[0]): string | undefined => ledgerEntries([original, sized(more)])[0]!.fileReason;
    expect(reason({ fileBytes: 1000, weightBytes: 1000 })).toBeUndefined();
    expect(reason({ nonzeroParams: 400, fileBytes: 1700 })).toBeUndefined();
    const coded = { ...original, size: { ...size, slimBytes: 4000 } };
    const [entry] = ledgerEntries([coded, sized({ nonzeroParams: 400, brotliBytes: 1800, slimBytes: 1000 })]);
    expect(entry!.delivery.slimBytes).toBe(0.25);
    expect(entry!.fileReason).toMatch(/gaps and Huffman codes \(\.slim\) 0\.25, brotli 0\.50$/);
  });

  it("leaves out what was not measured, and records without an original on their target", () => {
    const { size: _, ...sizeless } = pruned;
    expect(_).toBeDefined();
    expect(ledgerEntries([original, sizeless])[0]!.promise).toEqual({ macs: 1, effectiveMacs: 0.4 });
    expect(ledgerEntries([{ ...original, target: "cpu" }, pruned])).toEqual([]);
    expect(ledgerEntries([original])).toEqual([]);
    const failed: ResultRecord = { ...original, status: "failed", reason: { code: "x", message: "y", remedy: "" } };
    expect(ledgerEntries([failed, pruned])).toEqual([]);
  });

  it("is a format of reports", () => {
    const text = findExporter("ledger").results([resultOf([original, pruned])], { width: 120, colour: false });
    expect(text).toContain("  prune:0.6 on wasm\n    promised   MACs 1.00  effective 0.40  non-zero weights 0.40  bytes of weights 1.00\n");
    expect(text).toMatch(
      / {4}delivered {2}time 0\.99 {2}memory \S+ {2}file 1\.00 {2}brotli 0\.50\n {4}file {7}the file stores zeros.*\n {4}why {8}fc1: 60 %/,
    );
    expect(findExporter("ledger").results([resultOf([original])], { width: 120, colour: false })).toContain("no compressed record");
  });
});
