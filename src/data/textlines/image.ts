/** Operations on one plane of floats: what a camera does to a line of text, and the resize that PaddleOCR does. */
import { fillNormal, type Random } from "../random.ts";

export interface Plane {
  readonly width: number;
  readonly height: number;
  /** height × width */
  readonly data: Float32Array;
}

export function createPlane(width: number, height: number): Plane {
  return { width, height, data: new Float32Array(width * height) };
}

/** Turned by 180°: all pixels backwards. */
export function turn(plane: Plane): Plane {
  return { ...plane, data: plane.data.slice().reverse() };
}

/** Mean over 2·radius+1 pixels along one axis, by running sums; edges repeat. A fractional radius weighs the outermost pixels. */
function boxBlurAxis(plane: Plane, radius: number, horizontal: boolean): Plane {
  const { width, height, data } = plane;
  const blurred = createPlane(width, height);
  const length = horizontal ? width : height;
  const lines = horizontal ? height : width;
  const step = horizontal ? 1 : width;
  const whole = Math.floor(radius);
  const rest = radius - whole;
  const edge = whole + 1;
  const line = new Float64Array(length + 2 * edge);
  for (let l = 0; l < lines; l++) {
    const start = l * (horizontal ? width : 1);
    for (let i = 0; i < line.length; i++) line[i] = data[start + Math.min(Math.max(i - edge, 0), length - 1) * step]!;
    let inner = 0;
    for (let i = 1; i < 2 * edge; i++) inner += line[i]!;
    for (let i = 0; i < length; i++) {
      blurred.data[start + i * step] = (inner + rest * (line[i]! + line[i + 2 * edge]!)) / (2 * radius + 1);
      inner += line[i + 2 * edge]! - line[i + 1]!;
    }
  }
  return blurred;
}

/** Two box blurs an axis: a triangular kernel, near enough to a Gaussian. The radii differ when the blur comes from motion. */
export function blur(plane: Plane, radiusX: number, radiusY: number): Plane {
  let blurred = plane;
  for (let pass = 0; pass < 2; pass++) {
    if (radiusX > 0) blurred = boxBlurAxis(blurred, radiusX, true);
    if (radiusY > 0) blurred = boxBlurAxis(blurred, radiusY, false);
  }
  return blurred;
}

/** Standard normal samples, in place of the plane's pixels. */
export function noise(width: number, height: number, random: Random): Plane {
  const plane = createPlane(width, height);
  fillNormal(random, plane.data);
  return plane;
}

/** Bilinear with pixel centres at half positions and repeated edges, without smoothing before shrinking: OpenCV's INTER_LINEAR. */
export function resize(plane: Plane, width: number, height: number): Plane {
  const { data } = plane;
  const resized = createPlane(width, height);
  const columns = positions(plane.width, width);
  const rows = positions(plane.height, height);
  for (let y = 0; y < height; y++) {
    const top = rows.first[y]! * plane.width;
    const bottom = rows.second[y]! * plane.width;
    const fy = rows.fraction[y]!;
    for (let x = 0; x < width; x++) {
      const left = columns.first[x]!;
      const right = columns.second[x]!;
      const fx = columns.fraction[x]!;
      const above = data[top + left]! + (data[top + right]! - data[top + left]!) * fx;
      const below = data[bottom + left]! + (data[bottom + right]! - data[bottom + left]!) * fx;
      resized.data[y * width + x] = above + (below - above) * fy;
    }
  }
  return resized;
}

/** For each of `to` pixels over `from`: the two source pixels and how far it lies from the first to the second. */
function positions(from: number, to: number): { first: Int32Array; second: Int32Array; fraction: Float64Array } {
  const first = new Int32Array(to);
  const second = new Int32Array(to);
  const fraction = new Float64Array(to);
  for (let i = 0; i < to; i++) {
    const at = Math.min(Math.max(((i + 0.5) * from) / to - 0.5, 0), from - 1);
    first[i] = Math.floor(at);
    second[i] = Math.min(first[i]! + 1, from - 1);
    fraction[i] = at - first[i]!;
  }
  return { first, second, fraction };
}
