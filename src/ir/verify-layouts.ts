import { CompilerBug } from "../base/diagnostic.ts";
import { elementCount, type Shape } from "../base/tensor.ts";
import { idle, type Layout, layoutElements, placementText } from "../scheme/layout.ts";
import { annotationOf, type Graph, inputNodes, type Node } from "./graph.ts";
import { linearLayer } from "./linear.ts";

/** Rules 7 to 9 of verify.ts, for packed and leveled graphs whose structure and types are sound. */
export function* verifyLayouts(graph: Graph): Generator<string> {
  const tables = new Tables();
  const broken = [...layoutsAlone(graph, tables)];
  yield* broken;
  // The other rules read the tables of operands, which a broken layout does not have.
  if (broken.length > 0) return;
  for (const node of graph.nodes) {
    const own = placeOf(node);
    if (own !== undefined) yield* layoutRules(graph, node, own, tables);
  }
}

function* layoutsAlone(graph: Graph, tables: Tables): Generator<string> {
  let slots: number | undefined = graph.scheme && graph.scheme.degree / 2;
  for (const node of graph.nodes) {
    const own = placeOf(node);
    if (own === undefined) continue;
    slots ??= own.layout.slots;
    if (own.layout.slots !== slots) yield `'${node.name}' has ${own.layout.slots} slots, others have ${slots}`;
    const leavesOut = node.op === "input" && own.layout.coefficients === true;
    const wrong = tables.check(own.layout, own.shape, leavesOut);
    if (wrong !== undefined) yield `the layout of '${node.name}' ${wrong}`;
  }
}

interface PlacedValue {
  readonly shape: Shape;
  readonly layout: Layout;
}

function placeOf(node: Node): PlacedValue | undefined {
  return node.type.kind === "packed" || node.type.kind === "leveled" ? node.type : undefined;
}

function* layoutRules(graph: Graph, node: Node, own: PlacedValue, tables: Tables): Generator<string> {
  if (node.op === "input" || annotationOf(node, "plan") !== undefined) return;
  const operands = inputNodes(graph, node).filter((n) => n.op !== "constant");
  const layouts = operands.map((n) => placeOf(n)!.layout);
  const recurs = Math.max(...layouts.map((l) => l.repeats));
  if (own.layout.repeats < recurs)
    yield `the layout of '${node.name}' says it recurs after ${own.layout.repeats} slots, its operands do after ${recurs}`;
  if ((node.op === "square" || node.op === "multiply") && own.layout.complex)
    yield `'${node.name}' multiplies complex slots, which do not stay apart`;
  const layer = linearLayer(graph, node);
  if (layer === undefined) {
    for (const operand of operands) {
      const other = placeOf(operand)!.layout;
      // Relabeled views may print differently and still put equal elements into equal slots.
      if (placementText(other) === placementText(own.layout)) continue;
      const [a, b] = [tables.elements(own.layout), tables.elements(other)];
      if (a.length !== b.length || a.some((element, p) => element !== b[p])) {
        yield `'${node.name}' works slot by slot, but operand '${operand.name}' has another layout`;
      }
    }
    return;
  }
  const [operand] = operands;
  const from = placeOf(operand!)!.layout;
  if (operands.length !== 1 || layer.bias !== undefined) {
    yield `'${node.name}' needs a plan`;
    return;
  }
  const [result, source] = [tables.elements(own.layout), tables.elements(from)];
  const column = new Int32Array(layer.map.outputSize);
  let copies = true;
  for (let row = 0; row < column.length; row++) {
    let terms = 0;
    layer.map.forRow(row, (_, at, coefficient) => {
      column[row] = at;
      terms++;
      if (layer.coefficients[coefficient] !== 1) copies = false;
    });
    if (terms !== 1) copies = false;
  }
  if (!copies) yield `'${node.name}' needs a plan`;
  else if (result.length !== source.length || result.some((row, p) => row !== idle && column[row] !== source[p])) {
    yield `'${node.name}' only relabels slots, but an element is not where '${operand!.name}' has it`;
  }
}

/** Element tables of layouts, each made once. */
class Tables {
  readonly #elements = new Map<string, Int32Array>();
  readonly #checked = new Map<string, string | undefined>();

  elements(layout: Layout): Int32Array {
    const key = placementText(layout);
    const known = this.#elements.get(key);
    if (known !== undefined) return known;
    const elements = layoutElements(layout);
    this.#elements.set(key, elements);
    return elements;
  }

  /** What is wrong with a layout for a shape. An input of coefficients has only what is read. */
  check(layout: Layout, shape: Shape, leavesOut: boolean): string | undefined {
    const key = `${placementText(layout)} ${layout.repeats} ${shape.join()} ${leavesOut}`;
    if (!this.#checked.has(key)) this.#checked.set(key, this.broken(layout) ?? this.wrong(layout, shape, leavesOut));
    return this.#checked.get(key);
  }

  private recurs({ slots, repeats }: Layout, elements: Int32Array): boolean {
    if (!(repeats >= 1 && repeats <= slots && Number.isInteger(Math.log2(repeats)))) return false;
    for (let p = 0; p < elements.length; p++)
      if (p % slots >= repeats && elements[p] !== elements[p - repeats]) return false;
    return true;
  }

  /** Layouts that contradict themselves have no table. */
  private broken(layout: Layout): string | undefined {
    try {
      this.elements(layout);
      return undefined;
    } catch (error) {
      if (error instanceof CompilerBug) return `is broken: ${error.message}`;
      throw error;
    }
  }

  private wrong(layout: Layout, shape: Shape, leavesOut: boolean): string | undefined {
    const size = elementCount(shape);
    if (!this.recurs(layout, this.elements(layout))) return `does not recur after ${layout.repeats} slots`;
    const seen = new Uint8Array(size);
    let count = 0;
    for (const element of this.elements(layout)) {
      if (element === idle) continue;
      if (element < 0 || element >= size) return `has element ${element}, its value only ${size}`;
      if (seen[element] === 0) count++;
      seen[element] = 1;
    }
    return count === size || leavesOut ? undefined : `leaves out ${size - count} of ${size} elements`;
  }
}
