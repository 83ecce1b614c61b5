import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { editDistance, suggestion } from "../../src/compress/names.ts";
import { matchesAny } from "../../src/compress/patterns.ts";
import { calibrationSeed } from "../../src/compress/recipe-calibrate.ts";
import { openRecipe, parseRecipe, readRecipeFile } from "../../src/compress/recipe.ts";
import { FormatError, UnsupportedError, UsageError } from "../../src/errors.ts";

describe("recipe text", () => {
  it.each([
    ["fp32", "fp32"],
    ["int8", "int8"],
    ["int8:static", "int8"],
    ["int8:weights,exclude=fc*", "int8:weights,exclude=fc*"],
    ["int8:dynamic,exclude=b,only=a", "int8:dynamic,only=a,exclude=b"],
    ["prune:.70", "prune:0.7"],
    ["prune:0.70,scope=layer", "prune:0.7"],
    ["prune:0.8,scope=global", "prune:0.8,scope=global"],
    ["prune:0.7,block=1x8", "prune:0.7,block=1x8"],
    ["prune:0.7,block=1x8,scope=global", "prune:0.7,scope=global,block=1x8"],
    [" prune:0.7 , block=01x08 + int8 ", "prune:0.7,block=1x8+int8"],
    ["prune:0.5+prune:0.8", "prune:0.5+prune:0.8"],
    ["int8,exclude=fc1|conv*", "int8,exclude=fc1|conv*"],
    ["prune:0", "prune:0"],
    ["prune:0.5,block=1x4", "prune:0.5,block=1x4"],
    [" prune , nm=02:04 ", "prune,nm=2:4"],
    ["prune,block=1x8,nm=1:4,exclude=head+int8", "prune,nm=1:4,block=1x8,exclude=head+int8"],
    ["prune,channels=.5", "prune,channels=0.5"],
    [
      "prune,multiple=08,channels=0.50,importance=lamp,scope=global,exclude=fc",
      "prune,channels=0.5,multiple=8,scope=global,importance=lamp,exclude=fc",
    ],
    ["prune,channels=0.3,multiple=1,importance=l2,scope=layer", "prune,channels=0.3"],
    ["prune,channels=0.3,importance=random,seed=7+int8", "prune,channels=0.3,importance=random,seed=7+int8"],
    ["prune:0.5,importance=lamp,scope=global", "prune:0.5,scope=global,importance=lamp"],
    ["prune:0.5,seed=9,importance=random", "prune:0.5,importance=random,seed=9"],
    ["prune:0.5,pool=max,block=4x1,ties=keep", "prune:0.5,block=4x1,pool=max,ties=keep"],
    ["prune:0.8,where=faster,ties=cut,importance=l1", "prune:0.8,where=faster"],
    ["cluster:016", "cluster:16"],
    ["prune:0.5 + cluster:16,exclude=fc,include=dw* + int8", "prune:0.5+cluster:16,include=dw*,exclude=fc+int8"],
    ["cluster:256+fp16", "cluster:256+fp16"],
    ["cluster:16,init=linear", "cluster:16"],
    ["cluster:16,exclude=fc,init=kmeanspp", "cluster:16,init=kmeanspp,exclude=fc"],
    ["fp16,exclude=a|b", "fp16,exclude=a|b"],
    ["int4,block=32", "int4"],
    ["int4,exclude=fc,block=64", "int4,block=64,exclude=fc"],
    ["prune:0.5,exclude=b,only=a|b", "prune:0.5,only=a|b,exclude=b"],
    ["prune,only=a,channels=0.5+fp16,only=fc*", "prune,channels=0.5,only=a+fp16,only=fc*"],
    ["int8,only=a", "int8,only=a"],
    ["int8,calibrator=minmax", "int8"],
    ["int8,percentile=99.990,exclude=fc,calibrator=percentile", "int8,calibrator=percentile,percentile=99.99,exclude=fc"],
    ["int8,calibrator=percentile,percentile=99.999", "int8,calibrator=percentile"],
    ["int8,average=.05,calibrator=moving", "int8,calibrator=moving,average=0.05"],
    ["int8,calibrator=moving,average=0.01", "int8,calibrator=moving"],
    ["int8,calibrator=entropy", "int8,calibrator=entropy"],
    ["int8,table=a/b.json,calibrator=mse", "int8,calibrator=mse,table=a/b.json"],
    ["int8,table=t.json", "int8,table=t.json"],
    ["int8,bias=keep,equalize=none", "int8"],
    ["int8,ranges=ort", "int8"],
    ["int8,range=a:0:1,ranges=symmetric,table=t.json", "int8,table=t.json,ranges=symmetric,range=a:0:1"],
    ["int8,smooth=.5,bias=correct,equalize=cle", "int8,equalize=cle,smooth=0.5,bias=correct"],
    ["int8,bias=correct,exclude=a,calibrator=mse", "int8,calibrator=mse,bias=correct,exclude=a"],
    ["int8,table=t.json,calibrator=minmax", "int8,calibrator=minmax,table=t.json"],
    ["int8,grid=x:0:.5:3,range=a:-1.0:2|b:0:6", "int8,range=a:-1:2|b:0:6,grid=x:0:0.5:3"],
    ["int4,only=a,block=64", "int4,block=64,only=a"],
    ["int8,seed=07,exclude=a", "int8,seed=7,exclude=a"],
    ["int8,seed=7,bias=correct,table=t.json", "int8,table=t.json,bias=correct,seed=7"],
    ["int8,exclude=/^conv[0-9]+$/i", "int8,exclude=/^conv[0-9]+$/i"],
    [
      "prune:0.5,only=/a{1,2}|b+/|fc*,block=1x8 + int8,exclude=/x[/,]+y/|z",
      "prune:0.5,block=1x8,only=/a{1,2}|b+/|fc*+int8,exclude=/x[/,]+y/|z",
    ],
    ["prune:0.5,exclude=/a\\/b,c/", "prune:0.5,exclude=/a\\/b,c/"],
    ["prune:0.5,only=/a/0/Conv|/b/1,exclude=/c+int8,exclude=/d", "prune:0.5,only=/a/0/Conv|/b/1,exclude=/c+int8,exclude=/d"],
  ])("%j becomes %j, which is a fixed point", (text, canonical) => {
    expect(parseRecipe(text).text).toBe(canonical);
    expect(parseRecipe(canonical)).toEqual(parseRecipe(text));
  });

  it("gives typed steps", () => {
    expect(parseRecipe("prune:0.7,block=1x8+int8").steps).toEqual([
      { kind: "prune", amount: 0.7, scope: "layer", block: { rows: 1, cols: 8 } },
      { kind: "int8" },
    ]);
    expect(parseRecipe("cluster:16").steps).toEqual([{ kind: "cluster", values: 16 }]);
    expect(parseRecipe("int4").steps).toEqual([{ kind: "int4", block: 32 }]);
    expect(parseRecipe("fp16").steps).toEqual([{ kind: "fp16" }]);
    expect(parseRecipe("prune,nm=2:4").steps).toEqual([{ kind: "prune", amount: 0.5, scope: "layer", nm: { keep: 2, of: 4 } }]);
    expect(parseRecipe("prune,nm=1:4,block=1x8").steps).toEqual([
      { kind: "prune", amount: 0.75, scope: "layer", block: { rows: 1, cols: 8 }, nm: { keep: 1, of: 4 } },
    ]);
  });

  it.each([
    ["", '--recipe: empty, expected steps joined by "+". Try int8, or prune:0.7,block=1x8+int8'],
    ["int8+", 'recipe "int8+": empty step, expected a step on both sides of every "+"'],
    ["in8", 'recipe "in8": unknown step "in8". Did you mean int8?'],
    ["INT8", 'recipe "INT8": unknown step "INT8". Did you mean int8?'],
    ["purne:0.5", 'recipe "purne:0.5": unknown step "purne". Did you mean prune?'],
    [
      "zzz",
      'recipe "zzz": unknown step "zzz". Known: fp32, fp16, int8, int16x8, int4, requantize, prune, cluster, finetune, qat, distill, ccp, rep, pessimistic, minerror',
    ],
    ["fp32:1", 'recipe "fp32:1": fp32: got the value "1", expected none'],
    ["fp32,a=1", 'recipe "fp32,a=1": fp32: got option "a", expected none'],
    ["int8:dynamc", 'recipe "int8:dynamc": int8: got "dynamc", expected static, dynamic, weights. Did you mean dynamic?'],
    [
      "int8,calibrator=kl",
      'recipe "int8,calibrator=kl": int8: calibrator: got "kl", expected minmax, moving, entropy, percentile, mse. Known: minmax, moving, entropy, percentile, mse',
    ],
    ["int8,percentile=99", 'recipe "int8,percentile=99": int8: percentile: is of calibrator=percentile. Add that, or leave it out'],
    ["int8,average=0.1", 'recipe "int8,average=0.1": int8: average: is of calibrator=moving. Add that, or leave it out'],
    [
      "int8,calibrator=percentile,percentile=40",
      'recipe "int8,calibrator=percentile,percentile=40": int8: percentile: got "40", expected a number 50..100, e.g. 99.99',
    ],
    [
      "int8,table=t.json,seed=3",
      'recipe "int8,table=t.json,seed=3": int8: seed: chooses samples, of which the table spares the need. Leave it out',
    ],
    ["int8:dynamic,seed=3", 'recipe "int8:dynamic,seed=3": int8: unknown option "seed". Known: weightbits, types, only, exclude'],
    ["int8,exclude=/a(/", 'recipe "int8,exclude=/a(/": int8: exclude: "/a(/" is no regular expression: /a(/: Unterminated group'],
    [
      "int8,only=a|/b/g",
      'recipe "int8,only=a|/b/g": int8: only: "/b/g" has the flags "g" of a regular expression, expected i or none. Of a name that ends so, write * for its last /',
    ],
    [
      "int8,exclude=/conv\\d,only=a",
      'recipe "int8,exclude=/conv\\d,only=a": int8: exclude: "/conv\\d" begins like a regular expression and does not end like one, expected /…/ or /…/i with \\/ for a slash in it',
    ],
    ["int8,exclude=/conv\\d+", 'recipe "int8,exclude=/conv\\d+": empty step, expected a step on both sides of every "+"'],
    ["int8,table=", 'recipe "int8,table=": int8: table: got nothing, expected the path of a calibration table'],
    ["int8,range=a:2:1", 'recipe "int8,range=a:2:1": int8: range: got "a:2:1", expected NAME:MIN:MAX, several joined by "|"'],
    ["int8,range=1:2", 'recipe "int8,range=1:2": int8: range: got "1:2", expected NAME:MIN:MAX, several joined by "|"'],
    ["int8,grid=a:0:1", 'recipe "int8,grid=a:0:1": int8: grid: got "a:0:1", expected NAME:SCALE:ZEROPOINT, several joined by "|"'],
    ["int8,grid=a:1:0.5", 'recipe "int8,grid=a:1:0.5": int8: grid: got "a:1:0.5", expected NAME:SCALE:ZEROPOINT, several joined by "|"'],
    ["prune", 'recipe "prune": prune: got no value, expected a fraction 0 ≤ X < 1 (0.7 makes 70 % of the weights zero)'],
    ["prune:", 'recipe "prune:": prune: got "", expected a fraction 0 ≤ X < 1 (0.7 makes 70 % of the weights zero)'],
    ["prune:70", 'recipe "prune:70": prune: got "70", expected a fraction 0 ≤ X < 1 (0.7 makes 70 % of the weights zero)'],
    ["prune:1", 'recipe "prune:1": prune: got "1", expected a fraction 0 ≤ X < 1 (0.7 makes 70 % of the weights zero)'],
    ["prune:-0.1", 'recipe "prune:-0.1": prune: got "-0.1", expected a fraction 0 ≤ X < 1 (0.7 makes 70 % of the weights zero)'],
    ["prune:NaN", 'recipe "prune:NaN": prune: got "NaN", expected a fraction 0 ≤ X < 1 (0.7 makes 70 % of the weights zero)'],
    ["prune:0.5,blok=1x8", 'recipe "prune:0.5,blok=1x8": prune: unknown option "blok". Did you mean block?'],
    [
      "prune:0.5,block=8",
      'recipe "prune:0.5,block=8": prune: block: got "8", expected ROWSxCOLS with 1..64 each (input positions × output channels), e.g. block=1x8',
    ],
    [
      "prune:0.5,block=0x8",
      'recipe "prune:0.5,block=0x8": prune: block: got "0x8", expected ROWSxCOLS with 1..64 each (input positions × output channels), e.g. block=1x8',
    ],
    ["prune:0.5,block=1x1", 'recipe "prune:0.5,block=1x1": prune: block: a block of one weight is plain pruning. Leave block out'],
    ...["4:2", "2:2", "0:4", "2", "1:33", "2:4:8"].map((nm): [string, string] => [
      `prune,nm=${nm}`,
      `recipe "prune,nm=${nm}": prune: nm: got "${nm}", expected N:M with 1 ≤ N < M ≤ 32 (of every M consecutive inputs N stay), e.g. nm=2:4`,
    ]),
    ["prune:0.5,nm=2:4", 'recipe "prune:0.5,nm=2:4": prune: got the value "0.5", expected none: nm=2:4 says how many weights stay'],
    [
      "prune,nm=2:4,scope=global",
      'recipe "prune,nm=2:4,scope=global": prune: scope: N:M leaves the same share in every group. Leave scope out',
    ],
    [
      "prune,nm=2:4,block=4x8",
      'recipe "prune,nm=2:4,block=4x8": prune: block: got "4x8", expected 1xCOLS with nm (COLS output channels keep the same inputs), e.g. block=1x8',
    ],
    ...["0", "1", "50", "", "x"].map((channels): [string, string] => [
      `prune,channels=${channels}`,
      `recipe "prune,channels=${channels}": prune: channels: got "${channels}", expected a fraction 0 < X < 1 (0.5 removes half of the channels), e.g. channels=0.5`,
    ]),
    [
      "prune:0.5,channels=0.5",
      'recipe "prune:0.5,channels=0.5": prune: got the value "0.5", expected none: channels=0.5 says how much is removed',
    ],
    [
      "prune,channels=0.5,block=1x8",
      'recipe "prune,channels=0.5,block=1x8": prune: block: it zeroes weights, channels are removed. Make it a step of its own',
    ],
    ["prune:0.5,multiple=8", 'recipe "prune:0.5,multiple=8": prune: multiple: it rounds channels. Give channels=X with it'],
    ["prune:0.5,pool=max", 'recipe "prune:0.5,pool=max": prune: pool: it scores blocks. Give block=ROWSxCOLS with it'],
    ["prune:0.5,seed=3", 'recipe "prune:0.5,seed=3": prune: seed: only importance=random draws numbers. Leave it out'],
    ["prune,nm=2:4,ties=keep", 'recipe "prune,nm=2:4,ties=keep": prune: ties: N:M keeps the N largest of every M. Leave it out'],
    [
      "prune:0.5,importance=lmap",
      'recipe "prune:0.5,importance=lmap": prune: importance: got "lmap", expected l1, lamp, random. Did you mean lamp?',
    ],
    ["prune:0.5,where=fast", 'recipe "prune:0.5,where=fast": prune: where: got "fast", expected all, faster. Known: all, faster'],
    ["prune:0.5,scope=all", 'recipe "prune:0.5,scope=all": prune: scope: got "all", expected layer, global. Known: layer, global'],
    ["prune:0.5,block", 'recipe "prune:0.5,block": "prune:0.5,block": got "block", expected key=value'],
    [
      "prune:0.5,scope=layer,scope=global",
      'recipe "prune:0.5,scope=layer,scope=global": "prune:0.5,scope=layer,scope=global": scope is given twice',
    ],
    ["cluster:1", 'recipe "cluster:1": cluster: got "1", expected an integer 2..65536 (shared values in a layer), e.g. cluster:16'],
    ["qat:0", 'recipe "qat:0": qat: got "0", expected a number of epochs above 0, e.g. qat:2'],
    ["int4,block=3", 'recipe "int4,block=3": int4: block: got "3", expected an integer 16..1024'],
    ["fp32+int8", 'recipe "fp32+int8": fp32 is the original and does not combine. Leave it out'],
    ["cluster:2.5", 'recipe "cluster:2.5": cluster: got "2.5", expected an integer 2..65536 (shared values in a layer), e.g. cluster:16'],
    ["fp16:1", 'recipe "fp16:1": fp16: got the value "1", expected none'],
    ["fp16+int4", 'recipe "fp16+int4": fp16 and int4 both set the number format. Keep one'],
    ["fp16+cluster:4", 'recipe "fp16+cluster:4": cluster edits float weights and cannot follow fp16. Put it before'],
    ["cluster:4+prune:0.5", 'recipe "cluster:4+prune:0.5": prune cannot follow cluster: zeros would be values of their own. Put it before'],
    ["cluster:4+int4", 'recipe "cluster:4+int4": int4 cannot follow cluster: its scales undo shared values. Keep one'],
    ["int8+prune:0.5", 'recipe "int8+prune:0.5": prune edits float weights and cannot follow int8. Put it before'],
    ["int8+int8", 'recipe "int8+int8": int8 and int8 both set the number format. Keep one'],
    [
      "int8,exclude=a||b",
      'recipe "int8,exclude=a||b": int8: exclude: got "a||b", expected layer names joined by "|", "*" for any characters, or regular expressions /…/',
    ],
    ["cluster:4,only=a,include=b", 'recipe "cluster:4,only=a,include=b": cluster: include: only names the layers already. Keep one'],
    ["fp16,include=b", 'recipe "fp16,include=b": fp16: unknown option "include". Did you mean exclude?'],
  ])("rejects %j", (text, message) => {
    expect(() => parseRecipe(text)).toThrow(new UsageError(message));
  });

  it.each(["cluster:257", "finetune:2", "qat:1", "distill,student=x,loss=kd"])(
    "parses %s and says that it is not implemented yet",
    (text) => {
      let error: unknown;
      try {
        parseRecipe(text);
      } catch (caught) {
        error = caught;
      }
      expect(error).toBeInstanceOf(UnsupportedError);
      expect((error as UnsupportedError).code).toBe("unsupported");
      expect((error as UnsupportedError).message).toMatch(/^recipe ".*": .* is not implemented yet\. ./);
    },
  );
});

describe("recipe file", () => {
  const folder = mkdtempSync(join(tmpdir(), "slimbench-recipe-"));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const file = (text: string): string => {
    const path = join(folder, "r.json");
    writeFileSync(path, text);
    return path;
  };

  it("holds the same steps as a string", () => {
    const path = file('{"steps": [{"step": "prune", "value": 0.7, "block": "1x8", "exclude": ["fc1", "head*"]}, "int8"]}');
    expect(readRecipeFile(path)).toEqual(parseRecipe("prune:0.7,block=1x8,exclude=fc1|head*+int8"));
  });

  it.each([
    ["{", /not valid JSON/],
    ["[]", /expected an object with "steps"/],
    ['{"steps": []}', /expected an object with "steps", a list of at least one step/],
    ['{"steps": ["int8"], "sed": 1}', /unknown key "sed". Did you mean seed\?/],
    ['{"steps": ["int8"], "seed": 1.5}', /seed: got 1.5, expected an integer 0\.\.2147483647/],
    ['{"steps": ["int8"], "seed": "7"}', /seed: got "7", expected an integer/],
    ['{"steps": [{"step": "int8", "exclude": ["/a", "b/"]}]}', /steps\[0\]\.exclude: names that begin and end with \/ read like/],
    ['{"steps": [5]}', /steps\[0\]: expected a text, or an object with "step"/],
    ['{"steps": ["prune:0.5+int8"]}', /steps\[0\]: got "prune:0.5\+int8", expected one step/],
    ['{"steps": [{"step": "prune", "value": 0.5, "block": {}}]}', /steps\[0\]\.block: expected a text/],
    ['{"steps": [{"step": "prune", "value": []}]}', /steps\[0\]\.value: expected a text or a number/],
  ])("rejects %s", (text, message) => {
    expect(() => readRecipeFile(file(text))).toThrow(FormatError);
    expect(() => readRecipeFile(file(text))).toThrow(message);
  });

  it("gives its seed to steps that draw numbers and have none, unless the command line says another", () => {
    const steps = ["prune:0.1,importance=random", "prune:0.2,importance=random,seed=3", "prune:0.3", "cluster:16,init=random", "int8"];
    const path = file(JSON.stringify({ seed: 7, steps }));
    const text = (seed: number): string =>
      `prune:0.1,importance=random,seed=${seed}+prune:0.2,importance=random,seed=3+prune:0.3+cluster:16,init=random,seed=${seed}+int8,seed=${seed}`;
    expect(readRecipeFile(path).text).toBe(text(7));
    expect(openRecipe(path, 5).text).toBe(text(5));
    expect(calibrationSeed(openRecipe(path, 5))).toBe(5);
    expect(parseRecipe(text(7)).text).toBe(text(7));
    expect(() => openRecipe(path, 2 ** 31)).toThrow(/--seed 2147483648: expected an integer 0..2147483647 with a recipe file/);
    const drawn = file('{"seed": 7, "steps": [{"step": "int8", "table": "t.json"}]}');
    expect(readRecipeFile(drawn).text).toBe("int8,table=t.json");
    const own = file('{"seed": 7, "steps": [{"step": "int16x8", "seed": 2}]}');
    expect(openRecipe(own, 5).text).toBe("int16x8,seed=2");
  });

  it("leaves the command line's seed to the run where it has none", () => {
    const path = file('{"steps": ["cluster:16,init=random", "int8"]}');
    expect(openRecipe(path, 5).text).toBe("cluster:16,init=random+int8");
    expect(calibrationSeed(openRecipe(path, 5))).toBeUndefined();
  });

  it("takes regular expressions, with the characters that part a string", () => {
    const path = file(
      JSON.stringify({ steps: [{ step: "prune", value: 0.5, exclude: ["/a{1,2}|b+/i", "fc*", "/x/0/Conv"] }, "int8,only=/a+,b/"] }),
    );
    expect(readRecipeFile(path)).toEqual(parseRecipe("prune:0.5,exclude=/a{1,2}|b+/i|fc*|/x/0/Conv+int8,only=/a+,b/"));
    const [prune] = readRecipeFile(path).steps;
    expect(prune).toMatchObject({ exclude: ["/a{1,2}|b+/i", "fc*", "/x/0/Conv"] });
  });

  it("checks the steps like a string's", () => {
    expect(() => readRecipeFile(file('{"steps": [{"step": "prune", "value": 7}]}'))).toThrow(UsageError);
    expect(() => readRecipeFile(join(folder, "none.json"))).toThrow("none.json: cannot be read");
  });
});

describe("names", () => {
  it("counts edits", () => {
    expect([editDistance("", "abc"), editDistance("kitten", "sitting"), editDistance("ab", "ba"), editDistance("x", "x")]).toEqual([
      3, 3, 1, 0,
    ]);
    expect(suggestion("wsm", ["cpu", "wasm"])).toBe("Did you mean wasm?");
    expect(suggestion("quantum", ["cpu", "wasm"])).toBe("Known: cpu, wasm");
  });

  it("matches patterns", () => {
    expect(matchesAny("conv1", ["conv1"])).toBe(true);
    expect(matchesAny("conv12", ["conv1"])).toBe(false);
    expect(matchesAny("a/conv1/b", ["a*b"])).toBe(true);
    expect(matchesAny("ab", ["ab*ab"])).toBe(false);
    expect(matchesAny("block.3.fc", ["x", "*.3.*"])).toBe(true);
    expect(matchesAny("anything", ["*"])).toBe(true);
    expect(matchesAny("block3/conv", ["/^block\\d+\\/conv$/"])).toBe(true);
    expect(matchesAny("block3/convs", ["/^block\\d+\\/conv$/"])).toBe(false);
    expect(matchesAny("my_conv_2", ["/CONV_[12]/"])).toBe(false);
    expect(matchesAny("my_conv_2", ["x", "/CONV_[12]/i"])).toBe(true);
    expect(matchesAny("/a/0/Conv", ["/a/0/Conv"])).toBe(true);
    expect(matchesAny("/a.0/Conv", ["/a/0/Conv"])).toBe(false);
  });
});
