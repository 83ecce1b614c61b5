/** Streams of the integer kernels that execute 4-bit indices into int8 values of each output (tools/wasm-gen/coded-i8.ts). */
import { NIBBLE_VALUES } from "../../graph/code.ts";
import type { Int8CodebookCode } from "../../graph/ir.ts";
import { PANEL } from "./pack.ts";

/** n rows of k weights from row `first`, what is added to their sums, and what scales those. */
export interface CodebookMatrix {
  readonly code: Int8CodebookCode;
  readonly first: number;
  readonly n: number;
  readonly k: number;
  /** [n] */
  readonly bias: Int32Array;
  readonly scales: Float32Array;
}

/** Bias, scales and values of a panel. */
const HEADER_BYTES = PANEL * (4 + 4 + NIBBLE_VALUES);
/** Inputs that are looked up at once: of a panel, of a row. */
const GROUP = 16;
const STEP = 32;
/** Outputs of one row that go side by side. */
const HALF = 4;

/** @param inputs with surplus ones */
export function codebookPanelBytes(inputs: number): number {
  return HEADER_BYTES + Math.ceil(inputs / GROUP) * GROUP * (PANEL / 2);
}

function codebookRowBytes(k: number): number {
  return HEADER_BYTES + Math.ceil(k / STEP) * STEP * (PANEL / 2);
}

/** @param place where the index of output `lane` for input i goes: a byte behind the header, low or high half */
function pack(
  matrix: CodebookMatrix,
  bytes: number,
  place: (lane: number, i: number) => readonly [byte: number, isHigh: boolean],
): Uint8Array {
  const { code, first, n, k, bias, scales } = matrix;
  const stream = new Uint8Array(Math.ceil(n / PANEL) * bytes);
  const view = new DataView(stream.buffer);
  for (let o = 0; o < n; o++) {
    const lane = o % PANEL;
    const base = Math.floor(o / PANEL) * bytes;
    view.setInt32(base + lane * 4, bias[o]!, true);
    view.setFloat32(base + (PANEL + lane) * 4, scales[o]!, true);
    const row = first + o;
    const values = base + PANEL * 8 + lane * NIBBLE_VALUES;
    for (let v = 0; v < code.values; v++) view.setInt8(values + v, code.table[row * code.values + v]!);
    for (let i = 0; i < k; i++) {
      const [byte, isHigh] = place(lane, i);
      const at = base + HEADER_BYTES + byte;
      stream[at] = stream[at]! | (code.indices[row * k + i]! << (isHigh ? 4 : 0));
    }
  }
  return stream;
}

/**
 * Panels for many rows of inputs.
 * @param segments runs of inputs, each filled up to a multiple of `lane`
 * @param lane inputs that a step of the dense tile multiplies together: 2 or 4
 */
export function packCodebookPanels(matrix: CodebookMatrix, segments: number, lane: 2 | 4): Uint8Array {
  const run = matrix.k / segments;
  const padded = Math.ceil(run / lane) * lane;
  return pack(matrix, codebookPanelBytes(segments * padded), (output, i) => {
    const segment = Math.floor(i / run);
    const at = segment * padded + (i - segment * run);
    const within = at % GROUP;
    return [((at - within) / GROUP) * GROUP * (PANEL / 2) + output * (GROUP / 2) + (within % (GROUP / 2)), within >= GROUP / 2];
  });
}

/** The stream for one row of inputs. */
export function packCodebookRow(matrix: CodebookMatrix): Uint8Array {
  const steps = Math.ceil(matrix.k / STEP);
  return pack(matrix, codebookRowBytes(matrix.k), (output, i) => {
    const within = i % STEP;
    const vector = (Math.floor(output / HALF) * steps + (i - within) / STEP) * HALF + (output % HALF);
    return [(vector * STEP) / 2 + (within % (STEP / 2)), within >= STEP / 2];
  });
}

/** Which bytes of the last step's 32-bit words are weights and not surplus, of a run of inputs; widened pairs are int16. */
export function keptBits(run: number, lane: 2 | 4): number {
  const rest = run % lane;
  return rest === 0 ? -1 : lane === 2 ? 0xffff : 2 ** (8 * rest) - 1;
}
