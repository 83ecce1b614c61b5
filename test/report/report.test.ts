import { describe, expect, it } from "vitest";
import { UsageError } from "../../src/errors.ts";
import { EXPORTERS, FORMATS, findExporter, renderOptionsFor } from "../../src/report/index.ts";
import { bytesText, changeText, countText, percentText, pointsText, significant } from "../../src/report/format.ts";
import { headerLines, modelViews } from "../../src/report/view.ts";
import { compareResults } from "../../src/results/compare.ts";
import type { ResultRecord } from "../../src/results/schema.ts";
import { environment, latency, okRecord, resultOf, without } from "../results/fixtures.ts";
import { faster, records, result } from "./fixtures.ts";

const plain = { width: 120, colour: false };

describe("numbers", () => {
  it("rounds to three digits without exponents", () => {
    expect([0, 0.00012345, 0.012345, 0.9996, 1.2345, 12.345, 123.45, 12345.6].map(significant)).toEqual([
      "0",
      "0.000123",
      "0.0123",
      "1.000",
      "1.23",
      "12.3",
      "123",
      "12346",
    ]);
  });

  it("carries units", () => {
    expect([undefined, 0, 999, 1000, 66_120, 999_499, 1_500_000, 2.5e9].map(bytesText)).toEqual([
      "–",
      "0 B",
      "999 B",
      "1.00 KB",
      "66.1 KB",
      "999 KB",
      "1.50 MB",
      "2.50 GB",
    ]);
    expect([undefined, 12, 416_520, 2.81e6].map(countText)).toEqual(["–", "12", "417 k", "2.81 M"]);
    expect([percentText(0.9901), pointsText(-0.0012), pointsText(0.001), pointsText(0), pointsText(-1e-9), changeText(4.25)]).toEqual([
      "99.01 %",
      "−0.12",
      "+0.10",
      "±0",
      "±0",
      "+4.3 %",
    ]);
  });
});

describe("header", () => {
  it("names the browser of the targets that ran in one", () => {
    const engines = Object.fromEntries(
      ["cpu@chrome", "wasm@chrome", "cpu"].map((t) => [t, { available: true, facts: t === "cpu" ? {} : { browser: "Chrome/147" } }]),
    );
    const records = ["cpu@chrome", "wasm@chrome", "cpu"].map((target) => okRecord({ target }));
    expect(headerLines(resultOf(records, { ...environment, engines })).at(-1)).toBe("cpu@chrome, wasm@chrome: Chrome/147");
  });
});

describe("views", () => {
  const speedupsOf = (list: readonly ResultRecord[]): (number | undefined)[] =>
    modelViews(list).flatMap((view) => view.records.map((r) => r.speedup?.value));

  it("takes the speed-up against fp32 on the same target only", () => {
    const list = [
      okRecord({ target: "cpu", latencyMs: latency(4) }),
      okRecord({ target: "wasm", latencyMs: latency(1) }),
      okRecord({ recipe: "int8", target: "cpu", latencyMs: latency(2) }),
      okRecord({ recipe: "int8", target: "wasm", latencyMs: latency(2) }),
      okRecord({ recipe: "int8", target: "webgpu", latencyMs: latency(2) }),
      okRecord({ model: "other", recipe: "int8", target: "cpu", latencyMs: latency(2) }),
    ];
    expect(speedupsOf(list)).toEqual([undefined, undefined, 2, 0.5, undefined, undefined]);
    const [view] = modelViews(list);
    expect(view?.records[2]?.speedup?.halfWidth).toBeCloseTo(2 * Math.hypot(0.1 / 4, 0.1 / 2), 12);
  });

  it("marks the best only where there is a choice, and never a failed record", () => {
    const one = modelViews([okRecord({})])[0]?.records[0]?.best;
    expect(one).toEqual({ latency: false, size: false, accuracy: false });
    const marks = modelViews([...records])[0]?.records.map(({ best }) => best);
    expect(marks).toEqual([
      { latency: false, size: false, accuracy: true },
      { latency: false, size: false, accuracy: false },
      { latency: true, size: true, accuracy: false },
      { latency: false, size: false, accuracy: false },
    ]);
  });
});

describe("table", () => {
  it("shows everything that a number needs", () => {
    expect(`\n${findExporter("table").results([result], plain)}`).toMatchInlineSnapshot(`
      "
      slimbench 0.1.0 (abc1234) · suite mobile · preset normal · 2026-11-20T10:00:00.000Z
      Test CPU 3000 × 2 · linux x64 · Node v20.20.0
      webgpu: SwiftShader Device (software GPU: runs on the processor, not comparable with hardware)
      ───────────────────────────────────────────────────────────────────────────────────────────────────────────────────
      recipe                    target   latency ms (95 % interval)  vs fp32      file  memory          accuracy  parity
      ───────────────────────────────────────────────────────────────────────────────────────────────────────────────────
      lenet5  61.7 k parameters, 417 k MACs
      fp32                      cpu               2.00 (1.96–2.04)         –   250 KB   277 KB          99.01 %*  exact
                                webgpu†           8.13 (7.63–8.63)         –   250 KB   277 KB         99.20 %‡   ≤3e-7
      prune:0.7,block=1x8+int8  cpu            0.805 (0.795–0.815)*    2.48×  66.1 KB*  277 KB  98.89 % (−0.12)   exact
                                webgpu              unavailable [1]        –        –        –                –   –

      ocr|cls
      fp32                      cpu                      failed [2]        –        –        –                –   FAIL
      ───────────────────────────────────────────────────────────────────────────────────────────────────────────────────
      * best of the model
      † on a software GPU: not comparable with hardware
      ‡ accuracy on a sample of the test set: 500 of 10,000
      memory: weights as the engine holds them and peak activations
      [1] lenet5 prune:0.7,block=1x8+int8 webgpu: unavailable (no-adapter): no adapter, "none" found. Run bench doctor
      [2] ocr|cls fp32 cpu: failed (parity): output differs by 0.5
      warning: interval-wide (2 rows): lenet5 fp32 webgpu: ±6.2 % after 20 samples, …. Close other programs
      "
    `);
  });

  it("uses the room there is", () => {
    const narrow = findExporter("table").results([result], { width: 80, colour: false });
    expect(`\n${narrow}`).toMatchInlineSnapshot(`
      "
      slimbench 0.1.0 (abc1234) · suite mobile · preset normal · 2026-11-20T10:00:00.000Z
      Test CPU 3000 × 2 · linux x64 · Node v20.20.0
      webgpu: SwiftShader Device (software GPU: runs on the processor, not comparable with hardware)
      ───────────────────────────────────────────────────────────────────────────────────────────────────
      recipe               target        latency ms  vs fp32      file  memory          accuracy  parity
      ───────────────────────────────────────────────────────────────────────────────────────────────────
      lenet5  61.7 k parameters, 417 k MACs
      fp32                 cpu           2.00 ±3 %         –   250 KB   277 KB          99.01 %*  exact
                           webgpu†       8.13 ±7 %         –   250 KB   277 KB         99.20 %‡   ≤3e-7
      prune:0.7,block=1x8  cpu          0.805 ±2 %*    2.48×  66.1 KB*  277 KB  98.89 % (−0.12)   exact
        +int8              webgpu   unavailable [1]        –        –        –                –   –

      ocr|cls
      fp32                 cpu           failed [2]        –        –        –                –   FAIL
      ───────────────────────────────────────────────────────────────────────────────────────────────────
      * best of the model
      † on a software GPU: not comparable with hardware
      ‡ accuracy on a sample of the test set: 500 of 10,000
      memory: weights as the engine holds them and peak activations
      [1] lenet5 prune:0.7,block=1x8+int8 webgpu: unavailable (no-adapter): no adapter, "none" found. Run bench doctor
      [2] ocr|cls fp32 cpu: failed (parity): output differs by 0.5
      warning: interval-wide (2 rows): lenet5 fp32 webgpu: ±6.2 % after 20 samples, …. Close other programs
      "
    `);
    const widthOf = (width: number): number =>
      Math.max(
        ...findExporter("table")
          .results([result], { width, colour: false })
          .split("\n")
          .filter((line) => line.startsWith("─"))
          .map((line) => line.length),
      );
    for (const width of [100, 110, 120, 140, 160]) expect(widthOf(width)).toBeLessThanOrEqual(width);
    expect(widthOf(160)).toBeGreaterThan(widthOf(100));
  });

  it("colours only when asked, without changing the text", () => {
    const coloured = findExporter("table").results([result], { width: 120, colour: true });
    const escapes = new RegExp(`${String.fromCharCode(27)}\\[[0-9;]*m`, "g");
    expect(coloured).toMatch(escapes);
    expect(coloured.replace(escapes, "").replace(/ +$/gm, "")).toBe(findExporter("table").results([result], plain));
    expect(renderOptionsFor({ isTTY: true, columns: 90 })).toEqual({ width: 90, colour: true });
    expect(renderOptionsFor({ isTTY: true, columns: 90 }, { NO_COLOR: "1" }).colour).toBe(false);
    expect(renderOptionsFor({})).toEqual({ width: 120, colour: false });
  });

  it("says that there are no records", () => {
    expect(findExporter("table").results([resultOf([])], plain)).toContain("no records");
  });

  it("shows the verdicts of a comparison", () => {
    const base = resultOf([...records.slice(0, 3), records[4]!]);
    const slower = okRecord({ latencyMs: latency(2.6, 0.04), size: { fileBytes: 260_000 } });
    const current = resultOf([slower, okRecord({ ...records[1], latencyMs: latency(9, 2) } as object), faster(records[2]), records[3]!]);
    expect(`\n${findExporter("table").comparison(compareResults(base, current), plain)}`).toMatchInlineSnapshot(`
      "
      ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────
      verdict      model    recipe                    target     latency ms   change             file  accuracy  parity
      ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────
      regression   lenet5   fp32                      cpu       2.00 → 2.60  +30.0 %  250 KB → 260 KB        ±0  same
      unknown      lenet5   fp32                      webgpu    8.13 → 9.00  +10.8 %           250 KB        ±0  same
      improvement  lenet5   prune:0.7,block=1x8+int8  cpu     0.805 → 0.403  −50.0 %          66.1 KB        ±0  same
      missing      ocr|cls  fp32                      cpu                 –        –                –         –  –
      new          lenet5   prune:0.7,block=1x8+int8  webgpu              –        –                –         –  –
      ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────
      lenet5 fp32 webgpu: too noisy: the intervals overlap
      ocr|cls fp32 cpu: not in the current result
      lenet5 prune:0.7,block=1x8+int8 webgpu: not in the base
      1 regression, 1 improvement, 1 unknown, 1 missing, 1 new (latency threshold 5 %): something regressed
      "
    `);
    const other = resultOf([], without(result.environment, "v8"));
    expect(`\n${findExporter("table").comparison(compareResults(base, other), plain)}`).toMatchInlineSnapshot(`
      "
      not compared: the base was taken in another environment
        v8: base 11.3.244.8, current not recorded
      Record a new base here, or compare where it was taken
      "
    `);
  });
});

describe("markdown", () => {
  it("writes a table for each model and escapes markup", () => {
    expect(`\n${findExporter("md").results([result], plain)}`).toMatchInlineSnapshot(`
      "
      slimbench 0.1.0 (abc1234) · suite mobile · preset normal · 2026-11-20T10:00:00.000Z  
      Test CPU 3000 × 2 · linux x64 · Node v20.20.0  
      webgpu: SwiftShader Device (software GPU: runs on the processor, not comparable with hardware)

      ### lenet5

      | recipe | target | latency ms (95 % interval) | vs fp32 | file | brotli | memory | accuracy | parity |
      | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | --- |
      | \`fp32\` | cpu | 2.00 (1.96–2.04) | – | 250 KB | 225 KB | 277 KB | **99.01 %** | exact |
      | \`fp32\` | webgpu† | 8.13 (7.63–8.63) | – | 250 KB | 225 KB | 277 KB | 99.20 %‡ | ≤3e-7 |
      | \`prune:0.7,block=1x8+int8\` | cpu | **0.805 (0.795–0.815)** | 2.48× | **66.1 KB** | 41.0 KB | 277 KB | 98.89 % (−0.12) | exact |
      | \`prune:0.7,block=1x8+int8\` | webgpu | unavailable \\[1\\] | – | – | – | – | – | – |

      ### ocr\\|cls

      | recipe | target | latency ms (95 % interval) | vs fp32 | file | brotli | memory | accuracy | parity |
      | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | --- |
      | \`fp32\` | cpu | failed \\[2\\] | – | – | – | – | – | FAIL |

      - † on a software GPU: not comparable with hardware
      - ‡ accuracy on a sample of the test set: 500 of 10,000
      - \\[1\\] lenet5 prune:0.7,block=1x8+int8 webgpu: unavailable (no-adapter): no adapter, "none" found. Run bench doctor
      - \\[2\\] ocr\\|cls fp32 cpu: failed (parity): output differs by 0.5
      - warning: interval-wide (2 rows): lenet5 fp32 webgpu: ±6.2 % after 20 samples, …. Close other programs
      "
    `);
  });

  it("shows the verdicts of a comparison", () => {
    const base = resultOf(records.slice(0, 3));
    const comparison = compareResults(base, resultOf([okRecord({ latencyMs: latency(2.6, 0.04) }), records[1]!]));
    expect(`\n${findExporter("md").comparison(comparison, plain)}`).toMatchInlineSnapshot(`
      "
      | verdict | model | recipe | target | latency ms | change | file | accuracy | parity | note |
      | --- | --- | --- | --- | ---: | ---: | ---: | ---: | --- | --- |
      | **regression** | lenet5 | \`fp32\` | cpu | 2.00 → 2.60 | +30.0 % | 250 KB | ±0 | same |  |
      | same | lenet5 | \`fp32\` | webgpu | 8.13 | ±0 % | 250 KB | ±0 | same |  |
      | missing | lenet5 | \`prune:0.7,block=1x8+int8\` | cpu | – | – | – | – | – | not in the current result |

      1 regression, 1 same, 1 missing (latency threshold 5 %): something regressed
      "
    `);
    const refused = compareResults(base, resultOf([], { ...result.environment, cpuModel: "Other *CPU*" }));
    expect(`\n${findExporter("md").comparison(refused, plain)}`).toMatchInlineSnapshot(`
      "
      not compared: the base was taken in another environment

      - cpuModel: base Test CPU 3000, current Other \\*CPU\\*

      Record a new base here, or compare where it was taken
      "
    `);
  });
});

/** RFC 4180, as a reader would parse it. */
function parseCsv(text: string): string[][] {
  const lines: string[][] = [];
  let line: string[] = [];
  let i = 0;
  while (i < text.length) {
    let field = "";
    if (text[i] === '"') {
      for (i++; text[i] !== '"' || text[i + 1] === '"'; i++) {
        if (text[i] === '"') i++;
        field += text[i] ?? "";
      }
      i++;
    } else {
      while (i < text.length && text[i] !== "," && text[i] !== "\r") field += text[i++] ?? "";
    }
    line.push(field);
    if (text[i] === ",") i++;
    else {
      expect(text.slice(i, i + 2)).toBe("\r\n");
      i += 2;
      lines.push(line);
      line = [];
    }
  }
  return lines;
}

describe("csv", () => {
  it("is one header and one line a record, quoted where needed, empty where not measured", () => {
    const lines = parseCsv(findExporter("csv").results([result, result], plain));
    expect(lines.length).toBe(1 + 2 * records.length);
    expect(new Set(lines.map((line) => line.length)).size).toBe(1);
    const [head = [], ...rows] = lines;
    const field = (row: number, name: string): string | undefined => rows[row]?.[head.indexOf(name)];
    expect(field(2, "recipe")).toBe("prune:0.7,block=1x8+int8");
    expect(field(2, "latencyMedianMs")).toBe("0.80512");
    expect(field(2, "accuracyDelta")).toBe("-0.0012");
    expect(Number(field(2, "speedup"))).toBeCloseTo(2 / 0.80512, 12);
    expect(field(3, "reasonMessage")).toBe('no adapter, "none" found');
    expect([field(3, "latencyMedianMs"), field(0, "coldLoadMs"), field(0, "speedup")]).toEqual(["", "", ""]);
    expect(field(1, "softwareGpu")).toBe("true");
    expect(field(1, "warnings")).toBe("software-adapter interval-wide");
  });

  it("writes comparisons", () => {
    const lines = parseCsv(findExporter("csv").comparison(compareResults(result, result), plain));
    expect(lines[0]?.slice(0, 6)).toEqual(["model", "recipe", "target", "verdict", "note", "latencyVerdict"]);
    expect(lines.slice(1).map((line) => line[3])).toEqual(["same", "same", "same", "unknown", "unknown"]);
    const refused = compareResults(result, resultOf([], { ...result.environment, cpuCount: 3 }));
    expect(findExporter("csv").comparison(refused, plain)).toBe("difference,base,current\r\ncpuCount,2,3\r\n");
  });
});

describe("json and the list of formats", () => {
  it("writes the result itself, or a list", () => {
    expect(JSON.parse(findExporter("json").results([result], plain))).toEqual(result);
    expect(JSON.parse(findExporter("json").results([result, result], plain))).toEqual([result, result]);
    const comparison = compareResults(result, result);
    expect(JSON.parse(findExporter("json").comparison(comparison, plain))).toEqual(JSON.parse(JSON.stringify(comparison)));
  });

  it("finds formats by name and every one ends its text with a line break", () => {
    expect(FORMATS).toEqual(["table", "json", "md", "csv", "ledger"]);
    expect(() => findExporter("html")).toThrow(new UsageError('--format: got "html", expected table, json, md, csv, ledger'));
    for (const exporter of EXPORTERS) {
      expect(exporter.results([result], plain).endsWith("\n")).toBe(true);
      expect(exporter.comparison(compareResults(result, result), plain).endsWith("\n")).toBe(true);
    }
  });
});
