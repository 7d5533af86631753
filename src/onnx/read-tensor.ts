import type { onnx } from "onnx-proto";
import { type FilePlace, fail, type Problem, problem } from "../base/diagnostic.ts";
import { lazyTensor } from "../base/tensor.ts";
import { declaredCount } from "../weights/lazy-tensor.ts";
import { type BadElement, bytesPerNumber, type NumberFormat, StoredNumbers } from "../weights/number-formats.ts";
import { elementTypeOf, type Storage, storageOf, typedFields } from "./element-types.ts";
import { externalBytes, type OnnxHost } from "./external-data.ts";
import { exactInteger, type Int64, integerWords } from "./int64.ts";
import { isReal, type OnnxTensor, shapeWords } from "./model.ts";
import { fixedData, plainData, type StoredData, varintData } from "./number-chunks.ts";
import { type ByteRange, type NumberFields, rawData } from "./wire-scan.ts";

/** What the tensors of a model are read from. */
export interface TensorSource {
  readonly path: string;
  readonly bytes: Uint8Array;
  /** Where the numbers of each tensor lie, as the scan has found. */
  readonly numbers: readonly NumberFields[];
  readonly host: OnnxHost;
  /** Lets NaN and infinities through. */
  readonly allowNonFinite?: boolean;
}

/** Values of TensorProto.DataLocation. */
const inFile = 0;
const external = 1;

/**
 * A tensor whose numbers have been checked, one by one, and are converted when they are first asked for; or the problem that
 * it has elements of a type that is not read. A broken tensor throws a SealwrightError.
 */
export function readTensor(
  proto: onnx.ITensorProto,
  name: string,
  part: string,
  source: TensorSource,
): OnnxTensor | Problem {
  const place = { path: source.path, part };
  const shape = readDims((proto.dims ?? []) as readonly Int64[], name, place);
  const count = declaredCount(shape);
  if (count === undefined) {
    const what = `the shape of the tensor '${name}' is too large`;
    fail("onnx-limit", place, { what, found: rankLimited(shape), limit: "2^53 elements and 64 dimensions" });
  }
  const dataType = proto.dataType ?? 0;
  if (dataType === 0) fail("onnx-tensor", place, { name, reason: "the type of its elements is not given" });
  const storage = storageOf(dataType);
  if (storage === undefined)
    return problem("onnx-tensor-type", { name, reason: `its elements are of type ${elementTypeOf(dataType)}` });

  const data = storedData(proto, name, storage, shape, count, place, source);
  const finite = !(source.allowNonFinite === true && isReal(storage.type));
  const checked = (use: (numbers: StoredNumbers) => void) => {
    let first = 0;
    for (const chunk of data.chunks()) {
      const numbers = new StoredNumbers(chunk, data.format);
      const bad = finite ? firstBad(numbers, chunk, data.format) : undefined;
      if (bad !== undefined) fail("onnx-value", place, { name, ...bad, index: first + bad.index });
      use(numbers);
      first += numbers.count;
    }
  };
  checked(() => {});
  const lazy = lazyTensor(shape, () => {
    const converted = new Float64Array(count);
    let at = 0;
    // Again checked: a file beside the model may have changed since.
    checked((numbers) => {
      converted.set(numbers.toFloat64(), at);
      at += numbers.count;
    });
    return converted;
  });
  return {
    name,
    type: storage.type,
    shape,
    get data() {
      return lazy.data;
    },
  };
}

function readDims(dims: readonly Int64[], name: string, place: FilePlace): number[] {
  return dims.map((dim) => {
    const size = exactInteger(dim);
    if (size === undefined || size > Number.MAX_SAFE_INTEGER) {
      const what = `a dimension of the tensor '${name}' is too large`;
      fail("onnx-limit", place, { what, found: integerWords(dim), limit: "2^53" });
    }
    return size >= 0
      ? size
      : fail("onnx-tensor", place, { name, reason: `it has a dimension of ${integerWords(dim)}` });
  });
}

/** A shape in words that stay short. */
function rankLimited(shape: readonly number[]): string {
  return shape.length > 16 ? `${shape.length} dimensions` : shapeWords(shape);
}

/** The numbers of a tensor where they lie, as many as its shape says. */
function storedData(
  proto: onnx.ITensorProto,
  name: string,
  { type, format, typedField }: Storage,
  shape: readonly number[],
  count: number,
  place: FilePlace,
  source: TensorSource,
): StoredData {
  const wrong = (reason: string): never => fail("onnx-tensor", place, { name, reason });
  const { bytes } = source;
  const bytesNeeded = count * bytesPerNumber(format);
  // Some encoders write an empty field beside the one they use.
  const fields = [...numberFields(proto, source)].filter(([, ranges]) => ranges.some((r) => r.end > r.begin));
  const names = fields.map(([field]) =>
    field === rawData ? "raw_data" : typedFields[field as keyof typeof typedFields],
  );
  const location = proto.dataLocation ?? inFile;
  if (location === external) {
    if (fields.length > 0) wrong(`its numbers are in another file and in ${names.join(" and ")}`);
    const read = externalBytes(proto.externalData ?? [], { name, bytesNeeded, place, host: source.host });
    return plainData(format, count, read);
  }
  if (location !== inFile) wrong(`the place of its data is ${location}, known are 0 and 1`);
  if (fields.length > 1) wrong(`its numbers are given twice, in ${names.join(" and ")}`);

  const [first] = fields;
  if (first === undefined) {
    if (count > 0) wrong(`its shape ${shapeWords(shape)} needs ${count} elements and it has none`);
    return plainData(format, 0, () => new Uint8Array());
  }
  const [field, ranges] = first;
  if (field === rawData) {
    const [{ begin, end }] = ranges as [ByteRange];
    if (ranges.length > 1) wrong("its raw_data is given twice");
    if (end - begin !== bytesNeeded) {
      wrong(
        `${bytesNeeded} bytes are expected for the shape ${shapeWords(shape)} of ${type}, ${end - begin} are there`,
      );
    }
    return plainData(format, count, (at, size) => bytes.subarray(begin + at, begin + at + size));
  }
  if (field !== typedField) wrong(`it is of type ${type}, and its numbers are in ${names[0]}`);
  const data =
    typedField === 4 || typedField === 10
      ? fixedData(bytes, ranges, format)
      : varintData(bytes, ranges, format, (bad) => fail("onnx-value", place, { name, ...bad }));
  if (data.count === count) return data;
  return wrong(`${count} elements are expected for the shape ${shapeWords(shape)}, ${data.count} are in ${names[0]}`);
}

function numberFields({ rawData: marker }: onnx.ITensorProto, { numbers }: TensorSource): NumberFields {
  if (marker === null || marker === undefined || marker.length === 0) return new Map();
  return numbers[new DataView(marker.buffer, marker.byteOffset).getUint32(0, true)]!;
}

/** As `StoredNumbers` has it, except that the outermost int64 may be rounded: they stand for "to the very end". */
function firstBad(numbers: StoredNumbers, chunk: Uint8Array, format: NumberFormat): BadElement | undefined {
  const bad = numbers.firstBad();
  if (bad === undefined || format !== "i64") return bad;
  const view = new DataView(chunk.buffer, chunk.byteOffset, chunk.byteLength);
  for (let index = bad.index; index < numbers.count; index++) {
    const value = { low: view.getInt32(8 * index, true), high: view.getInt32(8 * index + 4, true) };
    if (exactInteger(value) === undefined) return { ...bad, index, value: integerWords(value) };
  }
  return undefined;
}
