/** Messages survive the wire exactly, and a damaged one is refused before anything is made of it. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FormatError } from "../../src/errors.ts";
import { decodeMessage, encodeMessage } from "../../src/hosts/wire.ts";

const arrays = fc.oneof(
  fc.int8Array({ maxLength: 9 }),
  fc.uint8Array({ maxLength: 9 }),
  fc.int16Array({ maxLength: 9 }),
  fc.uint16Array({ maxLength: 9 }),
  fc.int32Array({ maxLength: 9 }),
  fc.uint32Array({ maxLength: 9 }),
  fc.float32Array({ maxLength: 9 }),
  fc.float64Array({ maxLength: 9 }),
  fc.bigInt64Array({ maxLength: 9 }),
);
const leaf = fc.oneof(fc.string(), fc.double(), fc.boolean(), fc.constant(null), arrays);
const message = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: "small" },
    leaf,
    fc.array(tie("value"), { maxLength: 4 }),
    fc.dictionary(fc.stringMatching(/^[a-z]{1,5}$/), tie("value")),
  ),
})).value;

/** JSON turns -0 into 0. */
function normal(value: unknown): unknown {
  if (typeof value === "number") return Object.is(value, -0) ? 0 : value;
  if (Array.isArray(value)) return value.map(normal);
  if (typeof value === "object" && value !== null && !ArrayBuffer.isView(value)) {
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, normal(inner)]));
  }
  return value;
}

describe("messages", () => {
  it("come out as they went in", () => {
    fc.assert(
      fc.property(message, (value) => {
        expect(decodeMessage(encodeMessage(value))).toEqual(normal(value));
      }),
    );
  });

  it("come out of a pooled Buffer as well, in arrays of their own size", () => {
    const encoded = encodeMessage({ outputs: [Float32Array.of(1, 2, 3)] });
    const pool = Buffer.alloc(encoded.length + 64, 0xff);
    pool.set(encoded, 24);
    const { outputs } = decodeMessage(pool.subarray(24, 24 + encoded.length)) as { readonly outputs: readonly Float32Array[] };
    expect(outputs).toEqual([Float32Array.of(1, 2, 3)]);
    expect(outputs[0]!.buffer.byteLength).toBe(12);
  });

  it("carry part of an array without the rest of its buffer", () => {
    const part = Float32Array.of(1, 2, 3, 4).subarray(1, 3);
    expect(decodeMessage(encodeMessage(part))).toEqual(Float32Array.of(2, 3));
  });

  it("drop what is undefined", () => {
    expect(decodeMessage(encodeMessage({ a: undefined, b: 1 }))).toEqual({ b: 1 });
  });

  it("cannot carry arrays that no tensor has", () => {
    expect(() => encodeMessage(new DataView(new ArrayBuffer(8)))).toThrow(TypeError);
  });
});

function withHeader(header: string, bytes = 16): Uint8Array {
  const text = new TextEncoder().encode(header);
  const message = new Uint8Array(Math.ceil((4 + text.length) / 8) * 8 + bytes);
  new DataView(message.buffer).setUint32(0, text.length, true);
  message.set(text, 4);
  return message;
}

describe("damaged messages", () => {
  it.each([
    ["empty", new Uint8Array(0)],
    ["a header longer than the message", Uint8Array.of(255, 255, 255, 127, 0)],
    ["no JSON", withHeader("{")],
    ["an unknown type", withHeader('{"$array":["f16",0,1]}')],
    ["an inherited name as type", withHeader('{"$array":["toString",0,1]}')],
    ["a section behind the end", withHeader('{"$array":["f32",0,5]}')],
    ["a negative offset", withHeader('{"$array":["f32",-8,1]}')],
    ["a huge length", withHeader('{"$array":["f64",0,1e300]}')],
  ])("%s", (_, bytes) => {
    expect(() => decodeMessage(bytes)).toThrow(FormatError);
  });

  it("cut anywhere, never decode to something else", () => {
    const encoded = encodeMessage({ id: 7, type: "result", result: { outputs: [Int32Array.of(1, 2, 3)] } });
    for (let length = 0; length < encoded.length - 8; length++) {
      expect(() => decodeMessage(encoded.slice(0, length))).toThrow(FormatError);
    }
  });
});
