// Model files that gmjax.load reads: an 8-byte length, a header as JSON, and the tensors in float32.

import { size } from "./formula.js";
import { KINDS } from "./kinds.js";

// header: the text of the format (its name, version and conventions); more: further text by name.
export function modelFile(model, header, more = {}) {
  const m = size(model),
    { terms, parameters } = KINDS[model.profile],
    isAtoms = "profile" in header;
  const tensors = {
    means: [[m, 2], model.means],
    ...(isAtoms && { parameters: [[m, parameters.length], model.parameters] }),
    precision_chol: [[m, 3], model.chol],
    weights: [[m, ...(isAtoms ? [terms.length] : []), ...(model.channels ? [model.channels] : [])], model.weights],
  };
  const table = { __metadata__: { ...more, offset: String(model.offset), ...header } },
    parts = [];
  let end = 0;
  for (const [name, [shape, values]] of Object.entries(tensors)) {
    const data = Float32Array.from(values);
    table[name] = { dtype: "F32", shape, data_offsets: [end, end + data.byteLength] };
    end += data.byteLength;
    parts.push(data);
  }
  const text = new TextEncoder().encode(JSON.stringify(table));
  const head = new Uint8Array(8 + Math.ceil(text.length / 8) * 8).fill(32);
  new DataView(head.buffer).setBigUint64(0, BigInt(head.length - 8), true);
  head.set(text, 8);
  return new Blob([head, ...parts], { type: "application/octet-stream" });
}
