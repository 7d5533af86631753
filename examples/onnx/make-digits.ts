/** Writes the trained digits network as an ONNX model: `node examples/onnx/make-digits.ts` makes digits.onnx in this folder. */
import { writeFileSync } from "node:fs";
import { digitsModel } from "./digits-model.ts";
import { writeOnnx } from "./write-onnx.ts";

writeFileSync(new URL("digits.onnx", import.meta.url), writeOnnx(digitsModel()));
