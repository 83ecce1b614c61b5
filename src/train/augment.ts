/** Random small shifts, turns and scalings of a grey image, sampled bilinearly; what leaves the frame is lost, what enters is zero. */
import { uniform, type Random } from "../data/random.ts";

export interface AugmentOptions {
  /** Pixels, either way, both axes. */
  readonly shift: number;
  /** Degrees, either way. */
  readonly rotation: number;
  /** Share, either way: 0.1 means 0.9 to 1.1, on each axis apart. */
  readonly scale: number;
}

/**
 * Writes the transformed image to target[at..], each value times `valueScale`.
 * @param image height × width, one byte a pixel, from image[from]
 */
export function augment(
  image: Uint8Array,
  from: number,
  height: number,
  width: number,
  target: Float32Array,
  at: number,
  valueScale: number,
  options: AugmentOptions,
  random: Random,
): void {
  const angle = (uniform(random, -options.rotation, options.rotation) * Math.PI) / 180;
  const scaleX = uniform(random, 1 - options.scale, 1 + options.scale);
  const scaleY = uniform(random, 1 - options.scale, 1 + options.scale);
  const shiftX = uniform(random, -options.shift, options.shift);
  const shiftY = uniform(random, -options.shift, options.shift);
  // Source position of a target pixel: the inverse transform about the centre.
  const cos = Math.cos(angle);
  const sin = Math.sin(angle);
  const centreX = (width - 1) / 2;
  const centreY = (height - 1) / 2;
  const pixel = (x: number, y: number): number => (x < 0 || y < 0 || x >= width || y >= height ? 0 : image[from + y * width + x]!);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const dx = x - centreX - shiftX;
      const dy = y - centreY - shiftY;
      const sx = (cos * dx + sin * dy) / scaleX + centreX;
      const sy = (cos * dy - sin * dx) / scaleY + centreY;
      const x0 = Math.floor(sx);
      const y0 = Math.floor(sy);
      const fx = sx - x0;
      const fy = sy - y0;
      const top = pixel(x0, y0) * (1 - fx) + pixel(x0 + 1, y0) * fx;
      const bottom = pixel(x0, y0 + 1) * (1 - fx) + pixel(x0 + 1, y0 + 1) * fx;
      target[at + y * width + x] = (top * (1 - fy) + bottom * fy) * valueScale;
    }
  }
}
