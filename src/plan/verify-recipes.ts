import { diagnose, type FilePlace, fail, isProblem, SealwrightError } from "../base/diagnostic.ts";
import type { Shape, Tensor } from "../base/tensor.ts";
import { type Graph, inputNodes, type Node, type NodeId, type NodeOf } from "../ir/graph.ts";
import { opNamed } from "../ops/index.ts";
import { type LayerPlan, preparedCount, readLayerPlan, summedCount } from "../packing/layer-plan.ts";
import { type Layout, parseLayout } from "../scheme/layout.ts";
import { readOperands, readSettings } from "./layer.ts";
import { layoutProblem } from "./verify-layout.ts";

interface Recipe {
  readonly plan: LayerPlan;
  /** Baby steps of each prepared ciphertext. */
  readonly babies: readonly (readonly number[])[];
  /** Sums of products, and ciphertexts of the result. */
  readonly sums: number;
  readonly to: number;
}

/**
 * Checks the recipes of an HE program: that each `he_layer` is a layer whose op, settings, shapes, layouts and plan belong
 * together, and that each plaintext asks for a piece that its layer has. Reports the first fault as a SealwrightError.
 */
export class RecipeChecker {
  readonly #program: Graph;
  readonly #place: FilePlace;
  readonly #slots: number;
  readonly #recipes = new Map<NodeId, Recipe>();
  /** Layers share layouts, and looking at one costs as much as it has slots. */
  readonly #layouts = new Map<string, string | undefined>();

  constructor(program: Graph, place: FilePlace) {
    this.#program = program;
    this.#place = place;
    this.#slots = program.scheme!.degree / 2;
  }

  check(): void {
    for (const node of this.#program.nodes) {
      if (node.op === "he_layer") this.#recipes.set(node.id, this.#layer(node));
      else if (node.op === "he_encode" || node.op === "he_encode_bias") this.#piece(node);
    }
  }

  #layer(node: NodeOf<"he_layer">): Recipe {
    const { layer, op: name, settings, operands: rawOperands, from, to, plan: record } = node.attrs;
    const op = opNamed(name);
    if (op === undefined || op.family !== "network") return this.#wrong(layer, `there is no network op '${name}'`);
    const inputs = inputNodes(this.#program, node as Node);
    const constants = inputs.flatMap((n): Tensor[] => (n.op === "constant" ? [n.attrs.data] : []));
    if (constants.length !== inputs.length) this.#wrong(layer, "it takes something that is no constant");
    const { operands, attrs } = this.#located(() => ({
      operands: readOperands(rawOperands, constants, layer),
      attrs: readSettings(op, settings, layer),
    }));
    const encrypted = operands.filter((operand) => !operand.constant);
    if (operands.length - encrypted.length !== constants.length) this.#wrong(layer, "it has constants it does not use");
    if (encrypted.length !== from.length) {
      this.#wrong(layer, `it has ${encrypted.length} encrypted operands and ${from.length} layouts for them`);
    }
    const most = op.inputs.at(-1)?.variadic === true ? Number.POSITIVE_INFINITY : op.inputs.length;
    const least = op.inputs.filter((input) => !input.optional).length;
    if (operands.length < least || operands.length > most) {
      this.#wrong(layer, `'${name}' does not take ${operands.length} operands`);
    }
    const shape = op.shape(operands, attrs as never);
    if (isProblem(shape)) return this.#wrong(layer, diagnose(shape.problem, "nowhere", shape.params as never).message);
    const layouts = encrypted.map((operand, i) => this.#layout(layer, from[i]!, operand.shape, "input"));
    const plan = readLayerPlan(record);
    if (plan === undefined) return this.#wrong(layer, "its plan is no list of baby steps, giant steps and folds");
    const steps = plan.operands.flatMap(({ babies, mixing, halving }) => [
      ...babies,
      ...mixing,
      ...(typeof halving === "number" ? [halving] : []),
    ]);
    if ([...steps, ...plan.giants, ...plan.folds].some((s) => Math.abs(s) >= this.#slots)) {
      this.#wrong(layer, `its plan has steps of ${this.#slots} slots or more`);
    }
    if (plan.operands.length !== layouts.length && op.linear?.(operands, attrs as never) !== undefined) {
      this.#wrong(layer, `its plan is for ${plan.operands.length} operands, it has ${layouts.length}`);
    }
    const result = this.#layout(layer, to, shape);
    const babies = plan.operands.flatMap((operand, i) => {
      const layout = layouts[i];
      return layout === undefined ? [] : Array.from({ length: preparedCount(operand, layout) }, () => operand.babies);
    });
    return { plan, babies, sums: summedCount(plan, result), to: result.ciphertexts };
  }

  #layout(layer: string, text: string, shape: Shape, side: "input" | "result" = "result"): Layout {
    const layout = parseLayout(text);
    if (layout === undefined) return this.#wrong(layer, `'${text}' is no layout`);
    const key = `${text} of ${side} ${shape.join()}`;
    if (!this.#layouts.has(key)) this.#layouts.set(key, layoutProblem(layout, shape, this.#slots, side));
    const problem = this.#layouts.get(key);
    return problem === undefined ? layout : this.#wrong(layer, problem);
  }

  #piece(node: NodeOf<"he_encode"> | NodeOf<"he_encode_bias">): void {
    const recipe = this.#recipes.get(node.inputs[0]!);
    if (recipe === undefined) this.#wrong(node.name, "it encodes something that is no layer");
    const { plan, babies, sums, to } = recipe;
    const results = node.op === "he_encode" ? sums : to;
    if (node.attrs.to >= results) this.#wrong(node.name, `it is for ciphertext ${node.attrs.to} of ${results}`);
    if (node.op === "he_encode_bias") return;
    const own = babies[node.attrs.from];
    if (own === undefined) this.#wrong(node.name, `it meets ciphertext ${node.attrs.from} of ${babies.length}`);
    if (!own.includes(node.attrs.baby)) this.#wrong(node.name, `${node.attrs.baby} is no baby step of its layer`);
    if (!plan.giants.includes(node.attrs.giant))
      this.#wrong(node.name, `${node.attrs.giant} is no giant step of its layer`);
  }

  /** Gives errors of shared readers their place in the plan. */
  #located<T>(read: () => T): T {
    try {
      return read();
    } catch (error) {
      if (!(error instanceof SealwrightError)) throw error;
      throw new SealwrightError(error.diagnostics.map((d) => ({ ...d, place: this.#place })));
    }
  }

  #wrong(layer: string, reason: string): never {
    return fail("layer-plan-invalid", this.#place, { layer, reason });
  }
}
