import { describe, expect, it } from "vitest";
import { evaluateNode } from "../../src/engines/cpu/evaluate.ts";
import { FormatError } from "../../src/errors.ts";
import { detectFormat, importModel } from "../../src/formats/detect.ts";
import { writeNpy } from "../../src/formats/npy.ts";
import { opsOf } from "../graph/run.ts";
import { smallNet } from "./tflite/write.ts";

const text = (s: string): Uint8Array => new TextEncoder().encode(s);
const latin1 = (s: string): Uint8Array => Uint8Array.from(s, (c) => c.charCodeAt(0));

describe("detectFormat", () => {
  it("recognizes TFLite by its identifier and ONNX by its first field", () => {
    expect(detectFormat(smallNet(), "a")).toBe("tflite");
    // ir_version 8, producer_name "x"
    expect(detectFormat(Uint8Array.of(0x08, 0x08, 0x12, 0x01, 0x78), "a")).toBe("onnx");
    // graph first (field 7), opset_import first (field 8)
    expect(detectFormat(Uint8Array.of(0x3a, 0x00), "a")).toBe("onnx");
    expect(detectFormat(Uint8Array.of(0x42, 0x00), "a")).toBe("onnx");
  });

  it.each([
    ["an empty file", new Uint8Array(0), /^m: the file is empty/],
    ["a page", text("<!DOCTYPE html><html>"), /looks like an HTML or XML page/],
    ["JSON", text('\n{"format": "layers-model"}'), /looks like JSON text/],
    ["a zip archive", latin1("PK\x03\x04\x14\x00\x00\x00\x00\x00"), /looks like a zip archive/],
    ["PyTorch's archive", latin1("PK\x03\x04\x00\x00\x00\x00archive/data.pkl"), /looks like a PyTorch \.pt archive/],
    ["Keras 3's archive", latin1("PK\x03\x04\x00\x00\x00\x00metadata.json"), /looks like a \.keras archive/],
    ["HDF5", latin1("\x89HDF\r\n\x1a\n"), /looks like a Keras \.h5 file/],
    ["GGUF", latin1("GGUF\x03\x00\x00\x00"), /looks like a GGUF file/],
    ["safetensors", latin1('\x40\x00\x00\x00\x00\x00\x00\x00{"w":{}}'), /looks like a \.safetensors file/],
    ["a pickle", latin1("\x80\x02}q\x00."), /looks like a Python pickle/],
    ["gzip", latin1("\x1f\x8b\x08\x00"), /looks like a gzip archive/],
    ["a Git LFS pointer", text("version https://git-lfs.github.com/spec/v1"), /looks like a Git LFS pointer/],
    [".npy", writeNpy({ dtype: "int8", shape: [1], data: Int8Array.of(1) }), /looks like a \.npy array/],
    ["random bytes", Uint8Array.of(0xff, 0xfe, 0xfd, 0xfc), /starts with the bytes ff fe fd fc, expected an ONNX or TFLite model/],
  ] as const)("says what %s looks like", (_, bytes, message) => {
    expect(() => detectFormat(bytes, "m")).toThrow(FormatError);
    expect(() => detectFormat(bytes, "m")).toThrow(message);
  });
});

describe("importModel", () => {
  it("goes by content and applies the standard passes", () => {
    const graph = importModel(smallNet(), { name: "wrongly-named.onnx", evaluate: evaluateNode });
    expect(graph.name).toBe("wrongly-named.onnx");
    expect(opsOf(graph)).toEqual(["Conv2D", "DepthwiseConv2D", "AveragePool2D", "Reshape", "Dense", "Softmax"]);
  });
});
