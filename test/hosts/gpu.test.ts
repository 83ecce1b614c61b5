/** Which GPU Node gets here, and that a plain child process can use it and leave. */
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { gpuEnvironment, openNodeGpu } from "../../src/hosts/gpu.ts";

const CHILD = fileURLToPath(new URL("children/gpu.ts", import.meta.url));

/** Runs the child with only what an ordinary shell would give it, plus `env`. */
function runChild(env: Record<string, string>): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const { PATH = "", HOME = "" } = process.env;
  const child = spawn(process.execPath, ["--import", "tsx", CHILD], { env: { PATH, HOME, ...env } });
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  return new Promise((resolve) => child.once("close", (code) => resolve({ code, stdout, stderr })));
}

describe("gpuEnvironment", () => {
  it("finds a GPU on every machine that runs these tests, and says whether it is software", async () => {
    const gpu = await gpuEnvironment();
    if (!("env" in gpu)) throw new Error(`no GPU: ${gpu.reason.message}. ${gpu.reason.remedy}`);
    expect(gpu.adapter).not.toBe("");
    if (/swiftshader|llvmpipe/i.test(gpu.adapter)) expect(gpu.software).toBe(true);
  });

  it("decides once", async () => {
    expect(gpuEnvironment()).toBe(gpuEnvironment());
    expect(await gpuEnvironment()).toBe(await gpuEnvironment());
  });

  it("gives an environment with which a child computes on the GPU and exits cleanly", async () => {
    const gpu = await gpuEnvironment();
    if (!("env" in gpu)) throw new Error(gpu.reason.message);
    // The setup of these tests has put its answer into this process: hand it to the child whichever way it was found.
    const inherited = Object.fromEntries(
      ["VK_DRIVER_FILES", "VK_ICD_FILENAMES", "LD_LIBRARY_PATH"].flatMap((name) => {
        const value = process.env[name];
        return value === undefined ? [] : [[name, value] as const];
      }),
    );
    const { code, stdout, stderr } = await runChild({ ...inherited, ...gpu.env });
    expect(stdout, stderr).toContain('"sum":42');
    expect(code, stderr).toBe(0);
  });
});

describe("openNodeGpu", () => {
  it("defines the WebGPU globals", async () => {
    const gpu = await openNodeGpu();
    expect(typeof gpu.requestAdapter).toBe("function");
    expect(GPUBufferUsage.MAP_READ).toBe(1);
  });
});
