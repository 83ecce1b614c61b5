/** What an op importer is; apart from the table so that the op files and the table do not import each other. */
import type { ImportContext } from "../context.ts";
import type { OnnxNode } from "../node.ts";

/** Adds the graph nodes of one ONNX node and binds its outputs. */
export type OpImporter = (ctx: ImportContext, node: OnnxNode) => void;
