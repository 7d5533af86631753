/** What the header of a `.npy` file says. */
export interface NpyHeader {
  /** Type of the elements, such as `<f4`. */
  readonly descr: string;
  readonly fortranOrder: boolean;
  readonly shape: readonly number[];
}

/** The pieces of the Python literals that numpy writes. Python 2 wrote sizes as `5L`. */
const token = /\s*(?:('[^'\\]*'|"[^"\\]*")|(True|False)|(\d+)L?|([{}():,]))/y;

type Token = { readonly text: string } | { readonly flag: boolean } | { readonly size: number } | string;

/**
 * Reads the Python dictionary of a header, or says what is wrong with it. Only the literals that numpy writes are known:
 * nothing is ever evaluated.
 */
export function parseNpyHeader(text: string): NpyHeader | string {
  const tokens = tokensOf(text.trimEnd());
  if (typeof tokens === "string") return tokens;
  const fields = new Map<string, Token | readonly number[]>();
  let at = 0;
  const take = (sign: string): boolean => {
    if (tokens[at] !== sign) return false;
    at++;
    return true;
  };
  if (!take("{")) return "it is no dictionary in braces";
  while (!take("}")) {
    const key = tokens[at++];
    if (typeof key !== "object" || !("text" in key)) return "a key is no text in quotes";
    if (!take(":")) return `a colon is missing behind '${key.text}'`;
    if (fields.has(key.text)) return `'${key.text}' is given twice`;
    const value = take("(") ? tuple() : tokens[at++];
    if (value === undefined || typeof value === "string") return `'${key.text}' has no value that numpy would write`;
    fields.set(key.text, value);
    if (!take(",") && tokens[at] !== "}") return `a comma is missing behind the value of '${key.text}'`;
  }
  return at === tokens.length ? readFields(fields) : "something stands behind its closing brace";

  /** One size alone has a comma behind it, `(5,)`: without it Python sees a number in brackets. */
  function tuple(): readonly number[] | undefined {
    const sizes: number[] = [];
    let commas = 0;
    while (!take(")")) {
      const size = tokens[at++];
      if (typeof size !== "object" || !("size" in size)) return undefined;
      sizes.push(size.size);
      if (take(",")) commas++;
      else if (tokens[at] !== ")") return undefined;
    }
    return sizes.length === 1 && commas === 0 ? undefined : sizes;
  }
}

function tokensOf(text: string): Token[] | string {
  const tokens: Token[] = [];
  for (let at = 0; at < text.length; at = token.lastIndex) {
    token.lastIndex = at;
    const found = token.exec(text);
    if (found === null) {
      const rest = text.slice(at).trim();
      if (rest.startsWith("[")) return "it declares a structured type, supported are arrays of plain numbers";
      return `it holds ${JSON.stringify(rest.slice(0, 24))}, which numpy would not write`;
    }
    const [, quoted, flag, size, sign] = found;
    if (quoted !== undefined) tokens.push({ text: quoted.slice(1, -1) });
    else if (flag !== undefined) tokens.push({ flag: flag === "True" });
    else tokens.push(size === undefined ? sign! : { size: Number(size) });
  }
  return tokens;
}

function readFields(fields: ReadonlyMap<string, Token | readonly number[]>): NpyHeader | string {
  const [descr, order, shape] = ["descr", "fortran_order", "shape"].map((key) => fields.get(key));
  if (fields.size > 3) return "it has other fields than descr, fortran_order and shape";
  if (typeof descr !== "object" || !("text" in descr)) return "'descr' is missing or no type of numbers";
  if (typeof order !== "object" || !("flag" in order)) return "'fortran_order' is missing or neither True nor False";
  if (!Array.isArray(shape)) return "'shape' is missing or no tuple";
  return { descr: descr.text, fortranOrder: order.flag, shape };
}
