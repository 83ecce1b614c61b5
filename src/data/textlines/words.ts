/** What rendered text lines say: words, numbers, codes and dates as they stand on labels, receipts and signs. */
import { integer, pick, type Random } from "../random.ts";

const WORDS =
  "about above address after again amount answer apple april august autumn average bakery balance bank barcode battery before begin between " +
  "bicycle blue bottle bread bridge butter camera capital carton castle center change cheese chicken choice city clean coffee color company " +
  "contact cotton country credit customer daily danger date delivery department depth design detail discount doctor double dried east edge " +
  "effect electric energy engine enter error exit expiry export express factory family farmer fast february filter final first flight flour " +
  "flower forest fragile free fresh friday frozen fruit garage garden gate general glass grade gram green ground guide handle harbour health " +
  "heavy height highway hotel hour ideal import index industry insert invoice island item january july keep kettle kitchen label large leather " +
  "length level library light limit liquid litre local lunch machine made manager march market material maximum measure metal meter milk minute " +
  "model monday motor mountain museum name natural network never north notice number october office open orange order organic original output " +
  "package paper parking part pepper petrol phone place plastic platform please police potato power press price product protect public pull " +
  "quality quantity quick railway receipt recycle red refund register repair return river rough round route safety salad saturday school " +
  "season second serial service shipping shirt signal silver size small socket south special speed square stable standard station steel stop " +
  "storage store street strong sugar summer sunday supply surface switch system table tariff taxi terminal ticket timber today tomato total " +
  "touch traffic train transfer travel turn type under unit upper urgent vacuum valid valley value vegetable vehicle version voltage warning " +
  "warranty washing water weather weight west wheat wheel white width window winter wireless wood yellow zone";

const LIST = WORDS.split(" ");

/** Each character that reads as another (or itself) when the page is turned by 180°. */
const TURNED: ReadonlySet<string> = new Set("bqdpnumwosxzlHIMWNOSXZ0168925-.:/$%");

function capitalized(word: string): string {
  return word.charAt(0).toUpperCase() + word.slice(1);
}

function digits(random: Random, count: number): string {
  return Array.from({ length: count }, () => integer(random, 0, 9).toString()).join("");
}

function twoDigits(n: number): string {
  return n.toString().padStart(2, "0");
}

const NUMBERS: readonly ((random: Random) => string)[] = [
  (random) => `${pick(random, ["$", "€", "£"])}${integer(random, 1, 999)}.${digits(random, 2)}`,
  (random) => `${integer(random, 2, 990)} ${pick(random, ["g", "kg", "ml", "mm", "km", "V", "kW", "pcs"])}`,
  (random) => `20${digits(random, 2)}-${twoDigits(integer(random, 1, 12))}-${twoDigits(integer(random, 1, 28))}`,
  (random) => `${pick(random, ["REF", "No.", "Art.", "LOT", "Tel.", "Fax"])} ${digits(random, integer(random, 4, 7))}`,
  (random) => `${pick(random, ["A", "B", "E", "F", "K", "R", "T"])}${digits(random, 3)}/${digits(random, 2)}`,
  (random) => `${twoDigits(integer(random, 0, 23))}:${twoDigits(integer(random, 0, 59))} h`,
  (random) => `${integer(random, 2, 95)}%`,
];

function word(random: Random): string {
  return pick(random, LIST);
}

const LINES: readonly ((random: Random) => string)[] = [
  (random) => word(random),
  (random) => `${word(random)} ${word(random)}`,
  (random) => `${word(random)} ${word(random)} ${word(random)}`,
  (random) => `${word(random)} ${pick(random, NUMBERS)(random)}`,
  (random) => `${word(random)}: ${pick(random, NUMBERS)(random)}`,
  (random) => `${pick(random, NUMBERS)(random)} ${word(random)}`,
  (random) => pick(random, NUMBERS)(random),
];

const CASES: readonly ((text: string) => string)[] = [
  (text) => text,
  capitalized,
  (text) => text.split(" ").map(capitalized).join(" "),
  (text) => text.toUpperCase(),
];

/** True when a reader could tell which way up the text is: at least two characters, and a third of all, have no turned twin. */
export function isDirectional(text: string): boolean {
  const characters = Array.from(text).filter((c) => c !== " ");
  const telling = characters.filter((c) => !TURNED.has(c)).length;
  return telling >= 2 && telling * 3 >= characters.length;
}

/** 3 to about 25 characters that have an up and a down. */
export function textLine(random: Random): string {
  for (;;) {
    const text = pick(random, CASES)(pick(random, LINES)(random));
    if (text.length >= 3 && isDirectional(text)) return text;
  }
}
