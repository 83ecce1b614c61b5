/**
 * Every error a user can cause. Form of a message: `<where>: <what is wrong>, got <value>, expected <rule>. <what to do>`,
 * lower case after the prefix, shapes as `[1, 3, 224, 224]`. The command line prints `message` on one line, no stack without
 * `--verbose`, and exits with `exitCode` (2 input or command line, 4 unavailable target or failed record).
 */
export class SlimbenchError extends Error {
  /** Stable, kebab-case; goes into `reason.code` of a record. */
  readonly code: string;
  /** What the user can do about it; may be empty. Goes into `reason.remedy`. */
  readonly remedy: string;
  readonly exitCode: 1 | 2 | 3 | 4;

  constructor(code: string, message: string, options: { remedy?: string; exitCode?: 1 | 2 | 3 | 4; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = new.target.name;
    this.code = code;
    this.remedy = options.remedy ?? "";
    this.exitCode = options.exitCode ?? 2;
  }
}

/** The command line, a recipe, a target or a suite does not parse. */
export class UsageError extends SlimbenchError {
  constructor(message: string, remedy = "") {
    super("usage", message, { remedy, exitCode: 2 });
  }
}

/** A model, dataset or result file is empty, truncated, garbage or contradicts itself. */
export class FormatError extends SlimbenchError {
  constructor(message: string, remedy = "", cause?: unknown) {
    super("bad-file", message, { remedy, exitCode: 2, cause });
  }
}

/** Shapes that do not fit together; names the node, its op and the shapes. */
export class ShapeError extends SlimbenchError {
  constructor(message: string, remedy = "") {
    super("shape-mismatch", message, { remedy, exitCode: 2 });
  }
}

/** An op, dtype or attribute that a format reader or an engine does not implement. */
export class UnsupportedError extends SlimbenchError {
  constructor(message: string, remedy = "") {
    super("unsupported", message, { remedy, exitCode: 2 });
  }
}

/** A requested engine, host or adapter cannot run here. Becomes an `unavailable` record. */
export class UnavailableError extends SlimbenchError {
  constructor(code: string, message: string, remedy = "", cause?: unknown) {
    super(code, message, { remedy, exitCode: 4, cause });
  }
}

/** A device limit that a graph would exceed; names the limit, the need and what the device offers. */
export class DeviceLimitError extends UnavailableError {
  constructor(message: string, remedy = "") {
    super("device-limit", message, remedy);
  }
}

/** A device that worked failed: it was lost, or ran out of memory. Becomes a `failed` record; the next one gets a fresh device. */
export class DeviceFailure extends SlimbenchError {
  constructor(code: "device-lost" | "out-of-memory", message: string, remedy: string) {
    super(code, message, { remedy, exitCode: 4 });
  }
}

/** A broken assumption of our own: never the user's fault. */
export function invariant(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(`internal: ${message}`);
}

/** `[1, 3, 224, 224]` */
export function formatShape(shape: readonly number[]): string {
  return `[${shape.join(", ")}]`;
}
