/**
 * Loads WGSL from shaders/. A file declares at its top, in comment lines,
 *   // #param NAME = a | b | c     a substitution: every `{{NAME}}` in the file becomes the value, which must be one of those listed
 *   // #include path.wgsl          another file of shaders/, inlined here (once; the path may hold substitutions)
 * and, indented as the code around them,
 *   // #repeat R {{ROWS}} … // #end   the lines between them so many times, with `{{R}}` as 0, 1, …: registers are variables, not arrays.
 * `{{2*R+1}}`, of such numbers and +, - and *, becomes its value. Nothing else is rewritten.
 * Sizes that vary at run time are uniforms, so one pipeline serves every shape; `override` constants
 * (WG, the workgroup size) are set at pipeline creation.
 */

const PARAM = /^\/\/ #param ([A-Z][A-Z0-9_]*) = (.+)$/;
const INCLUDE = /^\/\/ #include (\S+)$/;
const REPEAT = /^ *\/\/ #repeat ([A-Z][A-Z0-9_]*) ([1-9]\d*)$/;
const END = /^ *\/\/ #end$/;
const SUBSTITUTION = /\{\{([^}]*)\}\}/g;

/** Reads a file of shaders/ as text, by its path from there. */
export type ShaderReader = (path: string) => Promise<string>;

function parseParams(path: string, lines: readonly string[], values: Readonly<Record<string, string>>): ReadonlySet<string> {
  const declared = new Set<string>();
  for (const line of lines) {
    const match = PARAM.exec(line);
    if (match === null) {
      if (line.startsWith("// #param")) throw new Error(`internal: shaders/${path}: "${line}" is not "// #param NAME = a | b"`);
      continue;
    }
    const name = match[1]!;
    const allowed = match[2]!.split("|").map((value) => value.trim());
    const value = values[name];
    if (value === undefined)
      throw new Error(`internal: shaders/${path}: parameter ${name} has no value, expected one of ${allowed.join(", ")}`);
    if (!allowed.includes(value))
      throw new Error(`internal: shaders/${path}: parameter ${name} is "${value}", expected one of ${allowed.join(", ")}`);
    declared.add(name);
  }
  return declared;
}

/** @throws Error for a value that was neither declared nor counts a `#repeat` */
function substitute(path: string, text: string, values: Readonly<Record<string, string>>): string {
  return text.replace(SUBSTITUTION, (whole, expression: string) => {
    const value = values[expression] ?? sumOf(expression, values);
    if (value === undefined)
      throw new Error(`internal: shaders/${path}: ${whole} is used but not declared by "// #param ${expression} = …"`);
    return value;
  });
}

/** Sums, differences and products of whole numbers, such as 3*STRIDE+R-1; undefined when a part of it is none. */
function sumOf(expression: string, values: Readonly<Record<string, string>>): string | undefined {
  const factor = (text: string): number => (/^-?\d+$/.test(values[text] ?? text) ? Number(values[text] ?? text) : NaN);
  const terms = expression.replaceAll("-", "+-1*").split("+");
  const sum = terms.reduce((total, term) => total + term.split("*").reduce((product, text) => product * factor(text), 1), 0);
  return Number.isNaN(sum) ? undefined : String(sum);
}

async function expand(
  path: string,
  lines: readonly string[],
  values: Readonly<Record<string, string>>,
  included: Set<string>,
  read: ShaderReader,
): Promise<string> {
  const out: string[] = [];
  for (let i = 0; i < lines.length; i++) {
    const line = substitute(path, lines[i]!, values);
    const include = INCLUDE.exec(line)?.[1];
    const repeat = REPEAT.exec(line);
    if (repeat !== null) {
      const [, name, count] = repeat as unknown as readonly [string, string, string];
      const end = endOf(path, lines, i);
      for (let n = 0; n < Number(count); n++)
        out.push(await expand(path, lines.slice(i + 1, end), { ...values, [name]: String(n) }, included, read));
      i = end;
    } else if (include !== undefined) {
      if (included.has(include)) continue;
      included.add(include);
      out.push(await expand(include, (await read(include)).split("\n"), values, included, read));
    } else {
      const stray = ["#include path.wgsl", "#repeat R 4", "#end"].find((form) => line.trimStart().startsWith(`// ${form.split(" ")[0]!}`));
      if (stray !== undefined) throw new Error(`internal: shaders/${path}: "${line}" is not "// ${stray}", or nothing is open`);
      out.push(line);
    }
  }
  return out.join("\n");
}

/** Where the block ends that line `start` opens. */
function endOf(path: string, lines: readonly string[], start: number): number {
  let depth = 0;
  for (let i = start; i < lines.length; i++) {
    if (lines[i]!.trimStart().startsWith("// #repeat")) depth++;
    else if (END.test(lines[i]!) && --depth === 0) return i;
  }
  throw new Error(`internal: shaders/${path}: "${lines[start]!.trim()}" without "// #end"`);
}

/**
 * The complete source of a kernel.
 * @param path kernel file, from shaders/
 * @param values a value for every parameter that the file declares, and no others
 */
export async function loadShader(path: string, values: Readonly<Record<string, string>>, read: ShaderReader): Promise<string> {
  const lines = (await read(path)).split("\n");
  const declared = parseParams(path, lines, values);
  for (const name of Object.keys(values)) {
    if (!declared.has(name)) throw new Error(`internal: shaders/${path}: parameter ${name} is given but not declared`);
  }
  return expand(path, lines, values, new Set(), read);
}
