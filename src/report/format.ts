/** Numbers as text, the same in every report. Absent numbers are a dash. */

export const ABSENT = "–";

/** Three significant digits, no exponent, whole numbers from 100 on: `0.0123`, `1.23`, `12.3`, `1234`. */
export function significant(value: number): string {
  if (value === 0 || !Number.isFinite(value)) return String(value);
  const magnitude = Math.floor(Math.log10(Math.abs(value)));
  return value.toFixed(Math.min(8, Math.max(0, 2 - magnitude)));
}

export function bytesText(bytes: number | undefined): string {
  if (bytes === undefined) return ABSENT;
  const units = ["B", "KB", "MB", "GB"];
  let value = bytes;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${unit === 0 ? String(value) : significant(value)} ${units[unit] ?? ""}`;
}

/** `416 k`, `2.81 M` */
export function countText(count: number | undefined): string {
  if (count === undefined) return ABSENT;
  const units = ["", " k", " M", " G", " T"];
  let value = count;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${unit === 0 ? String(value) : significant(value)}${units[unit] ?? ""}`;
}

/** 0..1 → `99.01 %` */
export function percentText(share: number): string {
  return `${(share * 100).toFixed(2)} %`;
}

/** A difference of shares in points, with a sign: `−0.12`, `+0.05`, `±0`. */
export function pointsText(delta: number): string {
  return signed(delta * 100, 2);
}

/** `+4.2 %` */
export function changeText(percent: number): string {
  return `${signed(percent, 1)} %`;
}

function signed(value: number, digits: number): string {
  const text = Math.abs(value).toFixed(digits);
  if (Number(text) === 0) return "±0";
  return `${value < 0 ? "−" : "+"}${text}`;
}

/** `1 row`, `3 rows` */
export function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

/** Thousands separated by commas. */
export function grouped(count: number): string {
  return count.toLocaleString("en-US");
}
