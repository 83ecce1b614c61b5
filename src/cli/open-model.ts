/** Opening a model is the same for every command. */
export { openModel } from "../harness/model.ts";
export type { OpenedModel, OpenOptions } from "../harness/model.ts";
