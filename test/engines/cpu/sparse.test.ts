/** Which layout the data of a layer gets, and that packed sparse weights hold exactly the nonzeros. */
import { describe, expect, it } from "vitest";
import { chooseLayout, packBlocks, packCsr } from "../../../src/engines/cpu/kernels/sparse_pack.ts";
import type { MatrixView } from "../../../src/engines/cpu/kernels/sparse_pack.ts";
import { random } from "../generated.ts";

type Pattern = "block" | "block of 4" | "anywhere";
const OUTPUTS: Readonly<Record<Pattern, number>> = { block: 8, "block of 4": 4, anywhere: 1 };

function matrix(n: number, k: number, zeros: number, pattern: Pattern, seed = 1): MatrixView<Float32Array> {
  const rand = random(seed);
  const data = new Float32Array(n * k).map(() => rand() + 0.5);
  for (let first = 0; first < n; first += OUTPUTS[pattern]) {
    for (let i = 0; i < k; i++) {
      if (rand() >= zeros) continue;
      for (let j = first; j < Math.min(n, first + OUTPUTS[pattern]); j++) data[j * k + i] = 0;
    }
  }
  return { data, offset: 0, n, k };
}

describe("layout", () => {
  const choose = (zeros: number, pattern: Pattern, rows = 64): string => chooseLayout([matrix(64, 256, zeros, pattern)], rows, "auto");

  it("is dense up to the break-even of each pattern", () => {
    expect(choose(0, "block")).toBe("dense");
    expect(choose(0.08, "block")).toBe("dense");
    expect(choose(0.5, "anywhere")).toBe("dense");
  });

  it("skips blocks from about 15 % zeros, single zeros from about 60 %", () => {
    expect(choose(0.2, "block")).toBe("block8");
    expect(choose(0.7, "block")).toBe("block8");
    expect(choose(0.2, "block of 4")).toBe("block4");
    expect(choose(0.7, "block of 4")).toBe("block4");
    expect(choose(0.6, "anywhere")).toBe("csr");
    expect(choose(0.9, "anywhere", 1)).toBe("csr");
  });

  it("takes lists of 4 channels only where they skip more than lists of 8", () => {
    expect(chooseLayout([matrix(4, 256, 0.5, "block of 4")], 64, "auto")).toBe("block8");
    expect(chooseLayout([matrix(12, 256, 0.5, "block of 4")], 64, "auto")).toBe("block4");
    expect(choose(0.5, "block of 4", 1)).toBe("block4");
  });

  it("does not take an unpruned layer for sparse, however narrow", () => {
    for (const n of [1, 2, 5]) expect(chooseLayout([matrix(n, 64, 0, "anywhere")], 64, "auto")).toBe("dense");
  });

  it("is dense when told so, and what is forced when forced", () => {
    expect(chooseLayout([matrix(8, 64, 0.9, "block")], 64, "off")).toBe("dense");
    expect(chooseLayout([matrix(8, 64, 0, "block")], 64, "csr")).toBe("csr");
  });

  it("skips whatever there is to skip when told so, paying or not", () => {
    const forced = (zeros: number, pattern: Pattern): string => chooseLayout([matrix(64, 256, zeros, pattern)], 64, "on");
    expect([forced(0, "block"), forced(0.08, "block"), forced(0.3, "anywhere")]).toEqual(["dense", "block8", "csr"]);
  });
});

describe("packing", () => {
  for (const [n, k] of [
    [1, 1],
    [7, 5],
    [8, 3],
    [9, 16],
    [24, 17],
  ] as const) {
    for (const zeros of [0, 0.5, 1]) {
      it(`${n}×${k} with ${zeros * 100} % zeros unpacks to itself`, () => {
        const m = matrix(n, k, zeros, "block", n * k);
        const csr = packCsr(m, (length) => new Float32Array(length));
        const fromCsr = new Float32Array(n * k);
        for (let j = 0; j < n; j++) {
          for (let e = csr.starts[j]!; e < csr.starts[j + 1]!; e++) fromCsr[j * k + csr.positions[e]! / 4] = csr.values[e]!;
        }
        for (const width of [8, 4] as const) {
          const { starts, positions, values } = packBlocks(m, width, (length) => new Float32Array(length));
          const fromBlocks = new Float32Array(n * k);
          for (let j = 0; j < n; j++) {
            const row = Math.floor(j / width);
            for (let e = starts[row]!; e < starts[row + 1]!; e++) {
              fromBlocks[j * k + positions[e]! / 4] = values[e * width + (j % width)]!;
            }
          }
          expect(fromBlocks).toEqual(m.data);
        }
        expect(fromCsr).toEqual(m.data);
        expect(csr.values.length).toBe(m.data.filter((v) => v !== 0).length);
      });
    }
  }

  it("keeps positions beyond 16 bits", () => {
    const m = matrix(1, 20000, 0, "anywhere");
    const { positions } = packCsr(m, (length) => new Float32Array(length));
    expect(positions[19999]).toBe(19999 * 4);
  });
});
