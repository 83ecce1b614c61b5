/** The nets of the zoo and how each is trained. */
import type { LayerFactory } from "../src/train/layer.ts";
import { relu } from "../src/train/layers/activation.ts";
import { batchNorm } from "../src/train/layers/batch-norm.ts";
import { conv } from "../src/train/layers/conv.ts";
import { dense } from "../src/train/layers/dense.ts";
import { depthwise } from "../src/train/layers/depthwise.ts";
import { globalAveragePool, maxPool } from "../src/train/layers/pool.ts";

export interface Architecture {
  readonly name: string;
  readonly layers: readonly LayerFactory[];
  readonly epochs: number;
  readonly learningRate: number;
  readonly weightDecay: number;
  /** Strength of the group lasso on 1×8 blocks, by layer. Layers with few weights, or none to spare, have none. */
  readonly groupLasso?: Readonly<Record<string, number>>;
  /** Strength of the lasso on single weights, by layer. */
  readonly lasso?: Readonly<Record<string, number>>;
  /** What the test set must reach. */
  readonly accuracy: number;
}

/** LeCun et al. 1998, with ReLU, max pooling and full connections, as it is built today. 28×28 input padded to 32×32. */
const lenet5: Architecture = {
  name: "lenet5",
  layers: [
    conv("conv1", { filters: 6, kernel: 5, pad: 2, inputGradient: false }),
    relu("relu1"),
    maxPool("pool1", 2),
    conv("conv2", { filters: 16, kernel: 5 }),
    relu("relu2"),
    maxPool("pool2", 2),
    dense("fc1", 120),
    relu("relu3"),
    dense("fc2", 84),
    relu("relu4"),
    dense("fc3", 10),
  ],
  epochs: 16,
  learningRate: 0.05,
  weightDecay: 5e-4,
  // A convolution's weight serves many pixels and resists more than a dense layer's.
  groupLasso: { conv2: 0.02, fc1: 0.004, fc2: 0.004 },
  accuracy: 0.988,
};

/** Depthwise 3×3, batch norm, ReLU6, pointwise, batch norm, ReLU6: the block of MobileNet (Howard et al. 2017). */
function separable(index: number, stride: number, filters: number): readonly LayerFactory[] {
  return [
    depthwise(`dw${index}`, { kernel: 3, stride, pad: 1 }),
    batchNorm(`dw${index}_bn`),
    relu(`dw${index}_relu`, 6),
    conv(`pw${index}`, { filters, kernel: 1, bias: false }),
    batchNorm(`pw${index}_bn`),
    relu(`pw${index}_relu`, 6),
  ];
}

const dsnet: Architecture = {
  name: "dsnet",
  layers: [
    conv("stem", { filters: 32, kernel: 3, stride: 2, pad: 1, bias: false, inputGradient: false }),
    batchNorm("stem_bn"),
    relu("stem_relu", 6),
    ...separable(1, 1, 64),
    ...separable(2, 2, 128),
    ...separable(3, 1, 128),
    ...separable(4, 2, 256),
    globalAveragePool("pool"),
    dense("fc", 10),
  ],
  epochs: 14,
  learningRate: 0.05,
  weightDecay: 5e-4,
  groupLasso: { pw1: 0.04, pw2: 0.04, pw3: 0.04, pw4: 0.04 },
  accuracy: 0.985,
};

/** The fully connected net of Deep Compression's first table (LeCun et al. 1998): 300 and 100 units. */
const lenet300: Architecture = {
  name: "lenet300",
  layers: [dense("ip1", 300), relu("relu1"), dense("ip2", 100), relu("relu2"), dense("ip3", 10)],
  epochs: 16,
  learningRate: 0.05,
  weightDecay: 0,
  lasso: { ip1: 1.2e-3, ip2: 1.2e-3, ip3: 3e-4 },
  accuracy: 0.98,
};

export const ARCHITECTURES: readonly Architecture[] = [lenet5, dsnet, lenet300];
