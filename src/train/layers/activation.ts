/** ReLU and ReLU6. Works in place, on the buffer of the layer before, forwards and backwards: no layer needs its own output back. */
import { volume, type Layer, type LayerFactory } from "../layer.ts";

/** @param max upper bound; Infinity for plain ReLU, 6 for ReLU6 */
export function relu(name: string, max = Infinity): LayerFactory {
  return (input, { compute }): Layer => {
    let lastOutput: Float32Array = new Float32Array(0);
    return {
      name,
      definition: { kind: "relu", max },
      input,
      output: input,
      parameters: [],
      states: [],
      forward: (x, batch) => {
        compute.clamp(batch * volume(input), x, max);
        lastOutput = x;
        return x;
      },
      backward: (dy, batch) => {
        compute.clampGradient(batch * volume(input), lastOutput, dy, max);
        return dy;
      },
    };
  };
}
