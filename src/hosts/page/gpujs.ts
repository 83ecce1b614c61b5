/** gpu.js for engines in a page: a file of its own, since it is larger than all engines together. Its browser build would take over a global. */
export { GPU } from "gpu.js/src/index.js";
