/** Small helpers of the tile writers: AssemblyScript source as arrays of lines. */

export function range(n: number): number[] {
  return Array.from({ length: n }, (_, i) => i);
}

/** A function with its body indented, followed by a blank line. */
export function source(inline: boolean, signature: string, body: readonly string[]): string[] {
  return [...(inline ? ["// @ts-ignore: decorator", "@inline"] : []), `${signature} {`, ...body.map((line) => `  ${line}`), "}", ""];
}
