#!/usr/bin/env node
// Free of static imports and of new syntax, so that an old Node gets far enough to say what is wrong with it.
const version = process.versions.node.split(".").map(Number);
if (version[0]! < 22 || (version[0] === 22 && version[1]! < 18)) {
  console.error(`error: sealwright needs Node.js 22.18 or newer, this is Node.js ${process.versions.node}`);
  process.exitCode = 2;
} else {
  import("./process.ts").then((program) => program.start(process.argv.slice(2)));
}
