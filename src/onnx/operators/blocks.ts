import { shapeWords } from "../model.ts";
import type { NodeContext } from "../node-context.ts";
import { defineOperator, type Operator } from "../operator.ts";
import { transposed } from "./transposed.ts";

const depthToSpace = defineOperator({
  name: "DepthToSpace",
  doc: "Blocks of pixels out of groups of channels; free.",
  encrypted: "yes",
  inputs: [1, 1],
  attributes: { blocksize: "int", mode: "string" },
  convert: (node) => {
    const { x, block, batch, channels, height, width } = blocksOf(node);
    const mode = node.text("mode", "DCR");
    if (mode !== "DCR" && mode !== "CRD") node.badAttribute("mode", `'${mode}'`, "DCR or CRD");
    const deep = channels / block ** 2;
    if (!Number.isInteger(deep)) node.wrong(`${channels} channels do not make blocks of ${block} by ${block} pixels`);
    const [split, perm] =
      mode === "DCR"
        ? [
            [batch, block, block, deep, height, width],
            [0, 3, 4, 1, 5, 2],
          ]
        : [
            [batch, deep, block, block, height, width],
            [0, 1, 4, 2, 5, 3],
          ];
    const result = transposed(node, node.view(x, split), perm);
    return [node.view(result, [batch, deep, height * block, width * block])];
  },
});

const spaceToDepth = defineOperator({
  name: "SpaceToDepth",
  doc: "Groups of channels out of blocks of pixels; free.",
  encrypted: "yes",
  inputs: [1, 1],
  attributes: { blocksize: "int" },
  convert: (node) => {
    const { x, block, batch, channels, height, width } = blocksOf(node);
    const [down, across] = [height / block, width / block];
    if (!(Number.isInteger(down) && Number.isInteger(across))) {
      node.wrong(`${height} by ${width} pixels are not made of blocks of ${block} by ${block}`);
    }
    const split = node.view(x, [batch, channels, down, block, across, block]);
    return [node.view(transposed(node, split, [0, 3, 5, 1, 2, 4]), [batch, channels * block ** 2, down, across])];
  },
});

function blocksOf(node: NodeContext) {
  const x = node.input(0);
  const block = node.int("blocksize");
  if (block < 1) node.badAttribute("blocksize", `${block}`, "an integer from 1 on");
  if (x.shape.length !== 4) node.wrong(`a value of shape ${shapeWords(x.shape)} holds no images [N, C, H, W]`);
  const [batch, channels, height, width] = x.shape as [number, number, number, number];
  return { x, block, batch, channels, height, width };
}

export const blockOperators: readonly Operator[] = [depthToSpace, spaceToDepth];
