/** Max pooling without padding, and the average over the whole plane that ends a convolutional net. */
import { volume, type Dims, type Layer, type LayerFactory } from "../layer.ts";

/** Window = stride = `size`; rows and columns that fill no window are dropped. */
export function maxPool(name: string, size: number): LayerFactory {
  return (input, { compute, maxBatch }): Layer => {
    const [height, width, channels] = input;
    const outHeight = Math.floor(height / size);
    const outWidth = Math.floor(width / size);
    const output: Dims = [outHeight, outWidth, channels];
    const y = compute.allocate(maxBatch * volume(output));
    const dx = compute.allocate(maxBatch * volume(input));
    /** Input offset of the winner of every output; the first of equals. */
    const winners = new Int32Array(maxBatch * volume(output));
    return {
      name,
      definition: { kind: "maxpool", size },
      input,
      output,
      parameters: [],
      states: [],
      forward: (x, batch) => {
        for (let b = 0, at = 0; b < batch; b++) {
          for (let oy = 0; oy < outHeight; oy++) {
            for (let ox = 0; ox < outWidth; ox++) {
              const corner = ((b * height + oy * size) * width + ox * size) * channels;
              for (let c = 0; c < channels; c++, at++) {
                let winner = corner + c;
                let best = x[winner]!;
                for (let ky = 0; ky < size; ky++) {
                  for (let kx = 0; kx < size; kx++) {
                    const candidate = corner + (ky * width + kx) * channels + c;
                    if (x[candidate]! > best) {
                      best = x[candidate]!;
                      winner = candidate;
                    }
                  }
                }
                y[at] = best;
                winners[at] = winner;
              }
            }
          }
        }
        return y;
      },
      backward: (dy, batch) => {
        dx.fill(0, 0, batch * volume(input));
        const n = batch * volume(output);
        for (let i = 0; i < n; i++) dx[winners[i]!] = dy[i]!;
        return dx;
      },
    };
  };
}

export function globalAveragePool(name: string): LayerFactory {
  return (input, { compute, maxBatch }): Layer => {
    const channels = input[2];
    const pixels = input[0] * input[1];
    const y = compute.allocate(maxBatch * channels);
    const dx = compute.allocate(maxBatch * volume(input));
    return {
      name,
      definition: { kind: "globalaveragepool" },
      input,
      output: [1, 1, channels],
      parameters: [],
      states: [],
      forward: (x, batch) => {
        for (let b = 0; b < batch; b++) {
          for (let c = 0; c < channels; c++) {
            let sum = 0;
            for (let p = 0, at = b * pixels * channels + c; p < pixels; p++, at += channels) sum += x[at]!;
            y[b * channels + c] = sum / pixels;
          }
        }
        return y;
      },
      backward: (dy, batch) => {
        for (let b = 0, at = 0; b < batch; b++) {
          for (let p = 0; p < pixels; p++) for (let c = 0; c < channels; c++, at++) dx[at] = dy[b * channels + c]! / pixels;
        }
        return dx;
      },
    };
  };
}
