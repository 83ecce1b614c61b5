/** A model as a suite names it, or a layer of a suite of kernels. */
export interface SuiteModel {
  readonly name: string;
  readonly path: string;
  readonly shapes?: Readonly<Record<string, readonly number[]>> | undefined;
  readonly dataset?: string | undefined;
  readonly recipes?: readonly string[] | undefined;
  /** Kernels: what the shape was taken from. */
  readonly layer?: string;
  /** Kernels: recipes besides the suite's, which run with kernels that skip zeros whether it pays or not. */
  readonly sweep?: readonly string[];
  /** Kernels: recipes besides the suite's, which run with kernels that read compact codes whether it pays or not. */
  readonly codes?: readonly string[];
}
