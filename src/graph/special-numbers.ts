/** Numbers that JSON lacks, as `{"$": "inf" | "-inf" | "nan" | "-0"}`: replacer and reviver for JSON.stringify and JSON.parse. */

export function encodeNumber(_key: string, value: unknown): unknown {
  if (typeof value !== "number" || Number.isFinite(value)) return Object.is(value, -0) ? { $: "-0" } : value;
  return { $: Number.isNaN(value) ? "nan" : value > 0 ? "inf" : "-inf" };
}

const SPECIAL: ReadonlyMap<unknown, number> = new Map([
  ["nan", NaN],
  ["inf", Infinity],
  ["-inf", -Infinity],
  ["-0", -0],
]);

export function decodeNumber(_key: string, value: unknown): unknown {
  if (typeof value !== "object" || value === null || !("$" in value)) return value;
  return SPECIAL.get(value.$) ?? value;
}
