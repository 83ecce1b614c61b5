/** A result as text: JSON that people read and compare too. */

/** Indented, but each list of numbers, such as the samples of a record, on one line. */
export function resultText(result: unknown): string {
  // A JSON string holds no line break, so a bracket before one opens a list.
  const lists = /\[\n[\s\d.,eE+-]+\]/g;
  const onOneLine = (list: string): string => list.replace(/\s+/g, " ").replace("[ ", "[").replace(" ]", "]");
  return `${JSON.stringify(result, null, 1).replace(lists, onOneLine)}\n`;
}
