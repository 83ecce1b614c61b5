/** The compiler writes plain files; npx runs the command as a program, and makes it one only when it first installs a checkout. */
import { chmod } from "node:fs/promises";
import { URL } from "node:url";

await chmod(new URL("../dist/cli/main.js", import.meta.url), 0o755);
