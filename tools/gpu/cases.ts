/** What `npm run bench:gpu` measures: shapes × recipes on hardware, and smaller ones that a software GPU finishes. */

export interface GpuCase {
  /** Rows of one group are compared with each other. */
  readonly group: "gemm" | "matvec" | "few" | "conv" | "stem" | "depthwise";
  /** A model of `bench` (`kernel:…`). */
  readonly shape: string;
  readonly recipe: string;
  /** Convolutions: the matrix product of the same size, for the comparison with explicit im2col. */
  readonly product?: string;
}

const gemm = (m: number, n: number, k: number): string => `kernel:gemm,m=${m},n=${n},k=${k}`;

/** `same` padding, stride 1. */
function conv(size: number, channels: number, outputs: number, kernel: number): Omit<GpuCase, "recipe"> {
  const shape = `kernel:conv,input=${size}x${size}x${channels},outputs=${outputs},kernel=${kernel}x${kernel},stride=1x1,padding=same`;
  return { group: "conv", shape, product: gemm(size * size, outputs, kernel * kernel * channels) };
}

const depthwise = (size: number, channels: number, stride: number): Omit<GpuCase, "recipe"> => ({
  group: "depthwise",
  shape: `kernel:depthwise,input=${size}x${size}x${channels},kernel=3x3,stride=${stride}x${stride},padding=same`,
});

/** A first convolution of three channels, in steps of two. */
const stem = (height: number, width: number, outputs: number): GpuCase => ({
  group: "stem",
  shape: `kernel:conv,input=${height}x${width}x3,outputs=${outputs},kernel=3x3,stride=2x2,padding=same`,
  recipe: "fp32",
});

/** A single layer is its model's head, which recipes leave alone unless told. */
const SPARSE = [
  "prune:0.5,block=1x8,include=*",
  "prune:0.75,block=1x8,include=*",
  "prune:0.875,block=1x8,include=*",
  "prune:0.9,include=*",
  "prune,nm=2:4,include=*",
];
const LOW_BIT = ["int8", "fp16", "cluster:16", "int4,block=32"];

export function gpuCases(software: boolean): readonly GpuCase[] {
  const cubes = software ? [64, 128, 256] : [256, 512, 1024, 2048];
  const middle = software ? 128 : 1024;
  const convs = software
    ? [conv(14, 32, 32, 3)]
    : [conv(56, 64, 64, 3), conv(28, 128, 128, 3), conv(14, 256, 256, 3), conv(56, 64, 256, 1)];
  const windows = software ? [depthwise(28, 32, 1)] : [depthwise(112, 64, 1), depthwise(56, 128, 2), depthwise(28, 256, 1)];
  /** Few tiles and long sums: k split over workgroups. */
  const few = software
    ? [gemm(49, 64, 1024)]
    : [gemm(49, 256, 1024), gemm(64, 64, 4608), gemm(196, 128, 2304), gemm(256, 256, 1024), gemm(49, 512, 4608)];
  /** MobileNetV1 0.25 at 96, the text-direction classifier of PP-OCR, MobileNetV2. */
  const stems = [stem(96, 96, 8), stem(48, 192, 8), stem(224, 224, 32)];
  const matvec = gemm(1, software ? 256 : 4096, software ? 256 : 4096);
  return [
    ...cubes.map((n) => ({ group: "gemm", shape: gemm(n, n, n), recipe: "fp32" }) as const),
    ...[...SPARSE, ...LOW_BIT].map((recipe) => ({ group: "gemm", shape: gemm(middle, middle, middle), recipe }) as const),
    ...["fp32", ...LOW_BIT].map((recipe) => ({ group: "matvec", shape: matvec, recipe }) as const),
    ...few.map((shape) => ({ group: "few", shape, recipe: "fp32" }) as const),
    ...stems,
    ...convs.flatMap((one) => [
      { group: "gemm", shape: one.product ?? "", recipe: "fp32" } as const,
      ...["fp32", "int8"].map((recipe) => ({ ...one, recipe })),
    ]),
    ...windows.flatMap((one) => ["fp32", "int8"].map((recipe) => ({ ...one, recipe }))),
  ];
}
