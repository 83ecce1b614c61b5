/** `only=`: a step on the layers that a recipe names, and on no others. */
import { describe, expect, it } from "vitest";
import { applyRecipe } from "../../src/compress/apply.ts";
import { parseRecipe } from "../../src/compress/recipe.ts";
import { UsageError } from "../../src/errors.ts";
import { contextFor, mobileNet, plainNet } from "./nets.ts";

const changed = async (recipe: string, graph = plainNet()): Promise<readonly string[]> =>
  (await applyRecipe(graph, parseRecipe(recipe), contextFor(graph))).steps.flatMap(({ layers }) => layers);

describe("only", () => {
  it.each([
    ["prune:0.5,only=conv1|fc2", ["conv1", "fc2"]],
    // Blocks leave out the first convolution and the last layer, unless they are named.
    ["prune:0.5,block=1x2,only=conv1", ["conv1"]],
    ["prune:0.5,only=fc*,exclude=fc1", ["fc2"]],
    ["cluster:4,only=fc1", ["fc1"]],
    ["fp16,only=conv*", ["conv1", "conv2"]],
    ["int4,only=fc2", ["fc2"]],
    ["int8,only=conv2", ["conv2"]],
    ["prune,channels=0.5,only=conv2", ["conv2"]],
  ])("%s changes %j", async (recipe, layers) => {
    expect(await changed(recipe)).toEqual(layers);
  });

  it("names a depthwise layer, which pruning leaves alone by itself", async () => {
    expect(await changed("prune:0.5,only=dw", mobileNet())).toEqual(["dw"]);
  });

  it("leaves every other weight as it was", async () => {
    const graph = plainNet();
    const { graph: after } = await applyRecipe(graph, parseRecipe("int8,only=conv2"), contextFor(graph));
    expect(after.tensors.get("conv1.w")?.data).toBe(graph.tensors.get("conv1.w")?.data);
    expect(after.tensors.get("conv2.w")?.dtype).toBe("int8");
    expect(after.tensors.get("fc1.w")?.dtype).toBe("float32");
  });

  it("notes where include and exclude name no layer, and does the rest", async () => {
    const graph = plainNet();
    const { steps } = await applyRecipe(graph, parseRecipe("prune:0.5,block=1x2,include=conv1|head,exclude=fc2|/fc[/"), contextFor(graph));
    expect(steps[0]!.notes).toEqual(['include: no layer of "plain" is named "head"', 'exclude: no layer of "plain" is named "/fc[/"']);
    expect(steps[0]!.layers).toContain("conv1");
  });

  it("says where a name is that of no layer", async () => {
    await expect(changed("prune:0.5,only=conv1|conv3")).rejects.toThrow(
      new UsageError('recipe step prune:0.5,only=conv1|conv3: only: no layer of "plain" is named "conv3". Did you mean conv1?'),
    );
  });
});
