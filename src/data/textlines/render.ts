/**
 * One text line as PP-OCR's direction classifier would meet it: drawn, turned or not, damaged, and put into the classifier's frame.
 * Everything follows from the random numbers passed in. The damage was tuned on a seed of its own (TUNING_SEED) until the original
 * model missed a few lines in a hundred; clean lines it gets all right, and then no compression could show a loss.
 */
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import type * as CanvasModule from "@napi-rs/canvas";
import { UnavailableError } from "../../errors.ts";
import { integer, pick, uniform, type Random } from "../random.ts";
import { blur, createPlane, noise, resize, turn, type Plane } from "./image.ts";
import { textLine } from "./words.ts";

/** The classifier's input: blue, green, red planes. */
export const FRAME = { height: 48, width: 192 } as const;
/** Stored for what PaddleOCR pads with 0 after normalization: the byte nearest to 127.5, which is 0.004. */
const PADDING = 128;

/** Upper bounds of what happens to a line. */
export interface Damage {
  /** Lowest and highest difference between ink and paper, of 255. */
  readonly contrast: readonly [number, number];
  /** Box radius in pixels of the final frame's height (48). */
  readonly blur: number;
  /** Standard deviation, of 255. */
  readonly noise: number;
  /** Height in pixels at which the line was "photographed", before it is resized to the frame. */
  readonly height: readonly [number, number];
  /** Degrees, either way. */
  readonly slant: number;
}

export const DAMAGE: Damage = { contrast: [60, 160], blur: 1.2, noise: 10, height: [24, 48], slant: 3 };

/** Family, file without extension inside the package. Latin letters only. */
const FACES = [
  ["pt-serif", "pt-serif-latin-400-normal"],
  ["pt-serif", "pt-serif-latin-700-normal"],
  ["pt-serif", "pt-serif-latin-400-italic"],
  ["pt-sans", "pt-sans-latin-400-normal"],
  ["pt-sans", "pt-sans-latin-700-normal"],
  ["lato", "lato-latin-300-normal"],
  ["lato", "lato-latin-400-normal"],
  ["lato", "lato-latin-900-normal"],
  ["courier-prime", "courier-prime-latin-400-normal"],
  ["courier-prime", "courier-prime-latin-700-normal"],
] as const;

/** Pixels an em, as drawn; about a third more than what fills the frame. */
const DRAWN_SIZE = 36;

type Canvas = typeof CanvasModule;

export interface Renderer {
  /** @returns a 3 × 48 × 192 frame of bytes, blue plane first */
  render(random: Random, turned: boolean, damage?: Damage): Uint8Array;
}

/** @throws UnavailableError when the canvas or a font can't be loaded */
export async function openRenderer(): Promise<Renderer> {
  const canvas = await loadCanvas();
  const families = registerFonts(canvas);
  return {
    render: (random, turned, damage = DAMAGE) => {
      const drawn = draw(canvas, random, pick(random, families), damage);
      return frame(colour(photograph(turned ? turn(drawn) : drawn, random, damage), random, damage));
    },
  };
}

async function loadCanvas(): Promise<Canvas> {
  try {
    return await import("@napi-rs/canvas");
  } catch (error) {
    throw new UnavailableError(
      "missing-canvas",
      `dataset textlines: @napi-rs/canvas does not load on ${process.platform}-${process.arch}`,
      "Run npm install without --omit=optional (it needs the build for this platform), or run without this dataset's model",
      error,
    );
  }
}

/** @returns family names under which the canvas knows the faces; one family a face, so that weight matching can't choose another */
function registerFonts(canvas: Canvas): readonly string[] {
  const require = createRequire(import.meta.url);
  return FACES.map(([name, file]) => {
    const family = `slimbench ${file}`;
    if (canvas.GlobalFonts.has(family)) return family;
    const failed = (cause?: unknown): UnavailableError =>
      new UnavailableError(
        "missing-font",
        `dataset textlines: font ${file} of @fontsource/${name} does not load`,
        "Run npm install again",
        cause,
      );
    let path: string;
    try {
      path = join(dirname(require.resolve(`@fontsource/${name}/package.json`)), "files", `${file}.woff2`);
    } catch (error) {
      throw failed(error);
    }
    if (canvas.GlobalFonts.registerFromPath(path, family) === null) throw failed();
    return family;
  });
}

/** Coverage of a line's ink, 0 to 1. */
function draw(canvas: Canvas, random: Random, family: string, damage: Damage): Plane {
  const text = textLine(random);
  const font = `${DRAWN_SIZE}px "${family}"`;
  const measuring = canvas.createCanvas(8, 8).getContext("2d");
  measuring.font = font;
  const width = Math.ceil(measuring.measureText(text).width) + 2 * integer(random, 2, 8);
  const height = Math.ceil(DRAWN_SIZE * 1.25) + integer(random, 0, 6);
  const context = canvas.createCanvas(width, height).getContext("2d");
  context.translate(width / 2, height / 2);
  // Long lines slant less: they would leave the frame. A shear, as a camera held askew gives, and a little italic either way.
  const slant = Math.tan((uniform(random, -damage.slant, damage.slant) * Math.PI) / 180) * Math.min(1, (3 * height) / width);
  context.transform(1, slant, uniform(random, -0.15, 0.15), 1, 0, 0);
  context.font = font;
  context.textAlign = "center";
  context.textBaseline = "middle";
  context.fillText(text, uniform(random, -2, 2), uniform(random, -2, 2));
  const rgba = context.getImageData(0, 0, width, height).data;
  const coverage = createPlane(width, height);
  for (let i = 0; i < coverage.data.length; i++) coverage.data[i] = rgba[i * 4 + 3]! / 255;
  return coverage;
}

/** Out of focus or in motion, and photographed small. */
function photograph(coverage: Plane, random: Random, damage: Damage): Plane {
  const height = integer(random, damage.height[0], damage.height[1]);
  const radius = (uniform(random, 0, damage.blur) * coverage.height) / FRAME.height;
  const motion = uniform(random, 0.6, 1.6);
  const width = Math.max(8, Math.round((coverage.width * height) / coverage.height));
  return resize(blur(coverage, radius * motion, radius / motion), width, height);
}

/**
 * Blue, green and red planes, 0 to 255. Ink and paper differ by the contrast, either being darker; both are slightly tinted, light
 * falls off towards one side, and the sensor adds noise, most of it common to the three colours.
 */
function colour(coverage: Plane, random: Random, damage: Damage): readonly Plane[] {
  const { width, height } = coverage;
  const contrast = uniform(random, damage.contrast[0], damage.contrast[1]);
  const darker = uniform(random, 20, 235 - contrast);
  const inverted = random() < 0.3;
  const paper = inverted ? darker : darker + contrast;
  const ink = inverted ? darker + contrast : darker;
  const falloff = uniform(random, -25, 25);
  const greyNoise = uniform(random, 0, damage.noise);
  const colourNoise = greyNoise / 3;
  const grey = noise(width, height, random);
  return [0, 1, 2].map(() => {
    const tint = uniform(random, -15, 15);
    const own = noise(width, height, random);
    const plane = createPlane(width, height);
    for (let y = 0, i = 0; y < height; y++) {
      for (let x = 0; x < width; x++, i++) {
        const surface = paper + (ink - paper) * coverage.data[i]! + tint + falloff * (x / width - 0.5);
        const value = surface + greyNoise * grey.data[i]! + colourNoise * own.data[i]!;
        plane.data[i] = value < 0 ? 0 : value > 255 ? 255 : Math.round(value);
      }
    }
    return plane;
  });
}

/**
 * PaddleOCR's resize_norm_img for the classifier: height 48, width by aspect ratio but at most 192 (a longer line is squeezed), padded
 * on the right. Bytes: value = byte · 2/255 - 1.
 */
function frame(planes: readonly Plane[]): Uint8Array {
  const bytes = new Uint8Array(3 * FRAME.height * FRAME.width).fill(PADDING);
  planes.forEach((plane, p) => {
    const width = Math.min(FRAME.width, Math.ceil((FRAME.height * plane.width) / plane.height));
    const resized = resize(plane, width, FRAME.height);
    for (let y = 0; y < FRAME.height; y++) {
      for (let x = 0; x < width; x++) bytes[(p * FRAME.height + y) * FRAME.width + x] = Math.round(resized.data[y * width + x]!);
    }
  });
  return bytes;
}
