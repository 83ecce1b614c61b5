/** "Did you mean": a sentence for the end of an error message that has already said what is expected. */
import { suggestion } from "../compress/names.ts";

/** ` Did you mean wasm?`, or nothing where no known word is near. */
export function hint(word: string, known: readonly string[]): string {
  const text = suggestion(word, known);
  return text.startsWith("Did you mean") ? ` ${text}` : "";
}
