/** A range of offsets in the file that is being read. */
export interface Extent {
  readonly start: number;
  readonly end: number;
}

/** A name as it stands in the text, quotes and escapes taken off. */
export interface Name extends Extent {
  readonly text: string;
}

export type Expression =
  | NumberLiteral
  | BooleanLiteral
  | TextLiteral
  | WeightReference
  | ListLiteral
  | RecordLiteral
  | Reference
  | Call
  | Sum
  | Product
  | Negation;

export interface NumberLiteral extends Extent {
  readonly kind: "number";
  /** A bigint where a number cannot hold the integer; undefined when the literal was reported. */
  readonly value: number | bigint | undefined;
}

export interface BooleanLiteral extends Extent {
  readonly kind: "boolean";
  readonly value: boolean;
}

/** A text with `{...}` in it has expressions among its parts; undefined ones were reported. */
export interface TextLiteral extends Extent {
  readonly kind: "text";
  readonly parts: readonly (string | Expression | undefined)[];
}

export interface WeightReference extends Extent {
  readonly kind: "weight";
  readonly name: TextLiteral;
}

export interface ListLiteral extends Extent {
  readonly kind: "list";
  readonly items: readonly Expression[];
}

export interface RecordLiteral extends Extent {
  readonly kind: "record";
  readonly entries: readonly { readonly key: Name; readonly value: Expression }[];
}

export interface Reference extends Extent {
  readonly kind: "reference";
  readonly text: string;
}

export interface Call extends Extent {
  readonly kind: "call";
  readonly callee: Name;
  readonly arguments: readonly Argument[];
}

export interface Argument {
  readonly name: Name | undefined;
  readonly value: Expression;
}

/** A chain of sums is one node, so that a long one needs no deep recursion. */
export interface Sum extends Extent {
  readonly kind: "sum";
  readonly first: Expression;
  readonly rest: readonly { readonly operator: "+" | "-"; readonly operand: Expression }[];
}

export interface Product extends Extent {
  readonly kind: "product";
  readonly factors: readonly Expression[];
}

export interface Negation extends Extent {
  readonly kind: "negation";
  readonly operand: Expression;
}

/** `packed [6, 14, 14] in "..." level 3 scale 40`, before it is known whether its parts fit together. */
export interface TypeText extends Extent {
  /** Undefined in the short form `[6, 14, 14]`. */
  readonly kind: Name | undefined;
  readonly shape: ListLiteral | undefined;
  readonly layout: TextLiteral | undefined;
  readonly properties: readonly { readonly key: Name; readonly value: number | bigint | undefined }[];
}

export interface AnnotationText extends Extent {
  readonly name: Name;
  readonly arguments: readonly Argument[];
}

export type Statement =
  | Unit
  | Block
  | Repeat
  | InputStatement
  | OutputStatement
  | ReturnStatement
  | Definition
  | FileStatement
  | SchemeStatement
  | TargetStatement
  | Broken;

/** `network name { ... }` or `graph name { ... }`. */
export interface Unit extends Extent {
  readonly kind: "network" | "graph";
  readonly name: Name;
  readonly body: readonly Statement[];
}

export interface Block extends Extent {
  readonly kind: "block";
  readonly name: Name;
  readonly parameters: readonly { readonly name: Name; readonly fallback: Expression | undefined }[];
  readonly body: readonly Statement[];
}

export interface Repeat extends Extent {
  readonly kind: "repeat";
  readonly counter: Name;
  readonly from: Expression;
  readonly to: Expression;
  readonly body: readonly Statement[];
}

export interface InputStatement extends Extent {
  readonly kind: "input";
  readonly name: Name;
  readonly type: TypeText;
  readonly range: readonly [Expression, Expression] | undefined;
  readonly annotations: readonly AnnotationText[];
}

export interface OutputStatement extends Extent {
  readonly kind: "output";
  readonly name: Name;
  readonly value: Expression;
  readonly annotations: readonly AnnotationText[];
}

export interface ReturnStatement extends Extent {
  readonly kind: "return";
  readonly value: Expression;
  readonly annotations: readonly AnnotationText[];
}

/** `name: type = value`, or `next name = value` in a repeat. */
export interface Definition extends Extent {
  readonly kind: "definition" | "next";
  readonly name: Name;
  readonly type: TypeText | undefined;
  readonly value: Expression;
  readonly annotations: readonly AnnotationText[];
}

/** `weights "file"` or `import "file"`. */
export interface FileStatement extends Extent {
  readonly kind: "weights" | "import";
  readonly path: TextLiteral;
}

export interface SchemeStatement extends Extent {
  readonly kind: "scheme";
  readonly call: Call;
}

export interface TargetStatement extends Extent {
  readonly kind: "target";
  readonly name: Name;
  readonly entries: readonly (TargetEntryText | Broken)[];
}

export interface TargetEntryText extends Extent {
  readonly kind: "entry";
  readonly key: readonly Name[];
  readonly value: Expression;
  readonly unit: Name | undefined;
}

/** A line that could not be read. What it might have defined is known but has no value, so that uses stay silent. */
export interface Broken extends Extent {
  readonly kind: "broken";
  readonly names: readonly string[];
  /** Whether it might have been an import, a weights line or a network, which much depends on. */
  readonly keyword: string | undefined;
}
