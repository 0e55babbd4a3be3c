// tool.js and its interface become one component. Imports of other files need a bundler first, such as esbuild.
import { writeFile } from "node:fs/promises";
import { componentize } from "@bytecodealliance/componentize-js";

const { component } = await componentize({
  sourcePath: "tool.js",
  witPath: "wit",
  worldName: "tool",
  // Leave "http" and "fetch-event" out of this list where the tool uses `fetch`.
  disableFeatures: ["http", "fetch-event"],
});
await writeFile("@NAME@.wasm", component);
