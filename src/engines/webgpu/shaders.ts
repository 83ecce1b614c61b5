/**
 * Loads WGSL from shaders/. A file declares at its top, in comment lines,
 *   // #param NAME = a | b | c     a substitution: every `{{NAME}}` in the file becomes the value, which must be one of those listed
 *   // #include path.wgsl          another file of shaders/, inlined here (once; the path may hold substitutions)
 * and nothing else is rewritten. Sizes that vary at run time are uniforms, so one pipeline serves every shape; `override` constants
 * (WG, the workgroup size) are set at pipeline creation.
 */

const PARAM = /^\/\/ #param ([A-Z][A-Z0-9_]*) = (.+)$/;
const INCLUDE = /^\/\/ #include (\S+)$/;
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

async function expand(
  path: string,
  values: Readonly<Record<string, string>>,
  declared: ReadonlySet<string>,
  included: Set<string>,
  read: ShaderReader,
): Promise<string> {
  const substitute = (text: string): string =>
    text.replace(SUBSTITUTION, (whole, name: string) => {
      const value = declared.has(name) ? values[name] : undefined;
      if (value === undefined) throw new Error(`internal: shaders/${path}: ${whole} is used but not declared by "// #param ${name} = …"`);
      return value;
    });
  const out: string[] = [];
  for (const raw of (await read(path)).split("\n")) {
    const line = substitute(raw);
    const include = INCLUDE.exec(line)?.[1];
    if (include === undefined) {
      if (line.startsWith("// #include")) throw new Error(`internal: shaders/${path}: "${line}" is not "// #include path.wgsl"`);
      out.push(line);
    } else if (!included.has(include)) {
      included.add(include);
      out.push(await expand(include, values, declared, included, read));
    }
  }
  return out.join("\n");
}

/**
 * The complete source of a kernel.
 * @param path kernel file, from shaders/
 * @param values a value for every parameter that the file declares, and no others
 */
export async function loadShader(path: string, values: Readonly<Record<string, string>>, read: ShaderReader): Promise<string> {
  const declared = parseParams(path, (await read(path)).split("\n"), values);
  for (const name of Object.keys(values)) {
    if (!declared.has(name)) throw new Error(`internal: shaders/${path}: parameter ${name} is given but not declared`);
  }
  return expand(path, values, declared, new Set(), read);
}
