/** Where a command will save what it measures: checked before anything is measured. */
import { accessSync, constants, existsSync, statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { UsageError } from "../errors.ts";

/** The folder must exist and take files; the file itself is only ever replaced by a finished one. */
export function checkWritable(path: string): void {
  const folder = dirname(resolve(path));
  if (!existsSync(folder)) throw new UsageError(`--out ${path}: the folder ${folder} does not exist. Create it first`);
  if (existsSync(path) && statSync(path).isDirectory()) throw new UsageError(`--out ${path}: is a folder. Name a file`);
  try {
    accessSync(folder, constants.W_OK);
  } catch {
    throw new UsageError(`--out ${path}: no permission to write in ${folder}. Name another place`);
  }
}
