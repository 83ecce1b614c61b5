/**
 * `textlines`: labelled lines of text for PP-OCR's text-direction classifier (class 0: upright, class 1: turned by 180°), rendered by
 * ourselves at first use. Half the lines are turned. Test and calibration splits come from different seeds; the same machine always
 * renders the same bytes (another build of the canvas may draw an edge differently).
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { cacheRoots, materialize } from "../../cache.ts";
import { readDataset } from "../files.ts";
import type { DatasetHeader } from "../header.ts";
import { mulberry32, shuffle } from "../random.ts";
import { FRAME, openRenderer, type Damage, type Renderer } from "./render.ts";

/** Part of the cache folder's name: raise it whenever a rendered byte changes. */
const VERSION = 2;
const SPLITS = { test: { count: 1000, seed: 20261 }, train: { count: 512, seed: 20262 } } as const;
/** The damage was chosen on lines from this seed, which is in neither split. */
export const TUNING_SEED = 20260;

/** `count` lines, half of them (rounded down) turned, in random order. Every line has a generator of its own. */
export function renderLines(
  renderer: Renderer,
  count: number,
  seed: number,
  damage?: Damage,
): { readonly frames: Uint8Array; readonly labels: readonly number[] } {
  const labels = Array.from({ length: count }, (_, i) => (i < Math.floor(count / 2) ? 1 : 0));
  shuffle(mulberry32(seed), labels);
  const frameBytes = 3 * FRAME.height * FRAME.width;
  const frames = new Uint8Array(count * frameBytes);
  labels.forEach((label, i) => {
    const random = mulberry32(Math.imul(seed, 0x9e3779b1) + i);
    frames.set(renderer.render(random, label === 1, damage), i * frameBytes);
  });
  return { frames, labels };
}

/** @returns path of the header; samples [3, 48, 192] float32 in [-1, 1]. @throws UnavailableError when nothing can be rendered here */
export async function textlines(split: "test" | "train"): Promise<string> {
  const folder = await materialize({
    name: `textlines-${VERSION}-${process.platform}-${process.arch}`,
    what: "dataset textlines",
    roots: cacheRoots("datasets"),
    usable: isComplete,
    write: async (target) => {
      const renderer = await openRenderer();
      for (const [name, { count, seed }] of Object.entries(SPLITS)) {
        const { frames, labels } = renderLines(renderer, count, seed);
        const header: DatasetHeader = {
          name: name === "test" ? "textlines" : "textlines-train",
          about: `Rendered text lines, upright (0) or turned by 180° (1); blue, green, red planes; seed ${seed}`,
          task: "classification",
          input: {
            dtype: "float32",
            shape: [3, FRAME.height, FRAME.width],
            stored: { dtype: "uint8", scale: 2 / 255, offset: -1 },
          },
          data: `${name}.bin`,
          labels: [...labels],
          classes: 2,
          ...(name === "test" ? { calibration: "train.json" } : {}),
        };
        writeFileSync(join(target, `${name}.bin`), frames);
        writeFileSync(join(target, `${name}.json`), JSON.stringify(header));
      }
    },
  });
  return join(folder, `${split}.json`);
}

function isComplete(folder: string): boolean {
  try {
    readDataset(join(folder, "test.json"));
    readDataset(join(folder, "train.json"));
    return true;
  } catch {
    return false;
  }
}
