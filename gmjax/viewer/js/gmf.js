// Compact files (.gmf) of gmjax, specified in docs/format.md. Integers are exact: all are below 2^53.

const MAX_BYTES = 2 ** 20, MAX_COMPONENTS = 10000, MAX_LAYERS = 100, MAX_SIDE = 65535;
const MAX_INTEGER = 2 ** 20, MAX_OCTAVES = 16;
const CLASSES = [3, 4, 6, 8, 12, 16, 24, 48];

const TOO_LARGE = "is damaged: it has a number that is too large";

function refuse(problem) {
  throw new Error(`The compact file ${problem}`);
}

const divide = (a, b) => Math.floor(a / b);
const bitLength = value => value.toString(2).length;

const ONE = 65536;
const POWERS = Array.from({length: 48}, (_, i) => Math.round(4096 * 2 ** (i / 48)));
const NORMAL_RATIOS = Array.from({length: 12}, (_, t) => Math.round(ONE * Math.exp(-0.5 / 2 ** t)));
const SCALES = Array.from({length: 81}, (_, t) => divide(POWERS[12 * (t % 4)] * 2 ** divide(t, 4), 4096));

function runningSums(parts) {
  let sum = 0;
  return [0, ...parts.map(part => sum += part)];
}

// How many of `count` fall on the left, where the sides have the masses `left` and `right`.
function binomial(count, left, right) {
  const unit = 2 ** Math.max(0, divide(bitLength(count) - 6, 2));
  while (left + right >= ONE) {
    left = Math.max(1, divide(left, 2));
    right = Math.max(1, divide(right, 2));
  }
  const mode = Math.min(count, divide((count + 1) * left, left + right));
  const frequencies = Array(count + 1).fill(1);
  for (let k = mode, value = ONE; k <= count && value >= unit; k++) {
    frequencies[k] += divide(value, unit);
    value = divide(value * (count - k) * left, (k + 1) * right);
  }
  for (let k = mode, value = ONE; k > 0; k--) {
    value = divide(value * k * right, (count - k + 1) * left);
    if (value < unit) break;
    frequencies[k - 1] += divide(value, unit);
  }
  return runningSums(frequencies);
}

const tables = new Map();

// |v| of a two-sided geometric distribution about the mean SCALES[scale] / 256; the last entry is for all larger ones.
function magnitudes(scale) {
  if (!tables.has(scale)) {
    const mean = SCALES[scale];
    const ratio = divide(mean * ONE, 256 + Math.floor(Math.sqrt(ONE + mean * mean)));
    let value = divide((ONE - ratio) * 2 ** 28, ONE + ratio);
    const frequencies = [divide(value, 4096) + 1];
    value *= 2;
    while ((value = divide(value * ratio, ONE)) >= 4096) frequencies.push(divide(value, 4096) + 1);
    tables.set(scale, runningSums([...frequencies, 1]));
  }
  return tables.get(scale);
}

// The index of the largest of SCALES that is at most `mean`.
const scaleOf = mean => Math.max(0, SCALES.findLastIndex(scale => scale <= mean));

// Running masses of the classes of width.
function normal(count, mean, spread) {
  const first = NORMAL_RATIOS[spread], decay = divide(first * first, ONE);
  const masses = Array(count).fill(1);
  masses[mean] += ONE;
  for (const direction of [1, -1]) {
    let value = ONE, ratio = first;
    for (let index = mean + direction; index >= 0 && index < count; index += direction) {
      masses[index] += value = divide(value * ratio, ONE);
      ratio = divide(ratio * decay, ONE);
    }
  }
  return runningSums(masses);
}

function rangeDecoder(bytes) {
  let next = 0, code = 0, range = 2 ** 32 - 1;
  const shift = () => code = code * 256 + (bytes[next++] ?? 0);
  for (let i = 0; i < 4; i++) shift();

  // The part of `total` that comes next becomes a symbol by `find`, which gives [symbol, start, size].
  function read(total, find) {
    const part = divide(range, total), target = divide(code, part);
    if (target >= total) refuse("is damaged: its code is in no part");
    const [symbol, start, size] = find(target);
    code -= start * part;
    for (range = part * size; range < 2 ** 24; range *= 256) shift();
    return symbol;
  }

  const uniform = total => read(total, target => [target, target, 1]);

  const symbol = sums => read(sums.at(-1), target => {
    let low = 0, high = sums.length - 1;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (sums[middle] <= target) low = middle;
      else high = middle;
    }
    return [low, sums[low], sums[high] - sums[low]];
  });

  // A number of at least 1, small ones in few bits.
  function count() {
    let bits = 0, found = 1;
    while (uniform(2)) if (++bits > 21) refuse(TOO_LARGE);
    while (bits--) found = 2 * found + uniform(2);
    return found;
  }

  // Reads integers about 0; the |v| to expect, `mean`, follows those that came before.
  const signed = mean => () => {
    const sums = magnitudes(scaleOf(mean)), larger = sums.length - 2;
    let size = symbol(sums);
    if (size === larger) size += count() - 1;
    if (size > MAX_INTEGER) refuse(TOO_LARGE);
    mean += divide(256 * size - mean, 8);
    return size && uniform(2) ? -size : size;
  };

  return {uniform, symbol, count, signed};
}

// The number of cells along an axis of `side` pixels for components of the class `width`.
function cellsOf(file, side, width) {
  const {longer} = file, unit = 20 * longer * 4096;
  const octaves = divide(48 * width, file.classes) - 48 + 12 * file.position;
  const shift = divide(octaves, 48);
  const length = (20 * side + 6 * longer) * POWERS[octaves - 48 * shift];
  if (shift < 0) return divide(length, unit * 2 ** -shift) + 1;
  let cells = divide(length, unit), rest = length % unit;
  for (let i = 0; i < shift; i++) {
    rest *= 2;
    cells = 2 * cells + (rest >= unit ? 1 : 0);
    rest %= unit;
  }
  return cells + 1;
}

// All cells along an axis; those from `begin` to `end` are in the picture.
function axisOf(file, side, width) {
  const {longer} = file, high = cellsOf(file, side, width);
  const begin = divide(divide(6 * longer * high, 20 * side + 6 * longer) + 1, 2);
  return {low: 0, high, begin, end: high - begin};
}

function massOf({low, high, begin, end}) {
  return high - low + 5 * Math.max(0, Math.min(high, end) - Math.max(low, begin));
}

// [width, row, column] of all components of a layer, in classes and cells.
function readPlaces(decoder, file, count, masses) {
  const found = [], sides = [file.height, file.width];

  function readCells(width, rows, columns, count) {
    const byRows = rows.high - rows.low >= columns.high - columns.low, axis = byRows ? rows : columns;
    if (axis.high - axis.low === 1) for (; count > 0; count--) found.push([width, rows.low, columns.low]);
    if (count === 0) return;
    const middle = divide(axis.low + axis.high, 2);
    const lower = {...axis, high: middle}, upper = {...axis, low: middle};
    const number = decoder.symbol(binomial(count, massOf(lower), massOf(upper)));
    readCells(width, byRows ? lower : rows, byRows ? columns : lower, number);
    readCells(width, byRows ? upper : rows, byRows ? columns : upper, count - number);
  }

  function readWidths(low, high, count) {
    if (count === 0) return;
    if (high - low === 1) return readCells(low, ...sides.map(side => axisOf(file, side, low)), count);
    const middle = divide(low + high, 2);
    const number = decoder.symbol(binomial(count, masses[middle] - masses[low], masses[high] - masses[middle]));
    readWidths(low, middle, number);
    readWidths(middle, high, count - number);
  }

  readWidths(0, file.widths, count);
  return found;
}

// The components of a layer: {width, row, column, stretch: [2], weights: [channels]}, all integers.
function readLayer(payload, file, most) {
  const decoder = rangeDecoder(payload), count = decoder.count();
  if (count > Math.min(most, 4 * payload.length)) refuse(`is damaged: it cannot hold ${count} components`);
  const mean = decoder.uniform(file.widths), spread = decoder.uniform(12);
  const expected = SCALES[decoder.uniform(SCALES.length)];
  const places = readPlaces(decoder, file, count, normal(file.widths, mean, spread));
  const stretches = [0, 1].map(() => decoder.signed(110 * file.classes));
  const luma = decoder.signed(expected), chroma = decoder.signed(divide(expected, 4));
  const weights = file.channels === 1 ? [luma] : [luma, chroma, chroma];
  return places.map(([width, row, column]) => ({
    width, row, column, stretch: stretches.map(read => read()), weights: weights.map(read => read()),
  }));
}

/** What a compact file holds, as integers. */
export function decodeIntegers(bytes) {
  let at = 0;
  bytes = new Uint8Array(bytes);

  function take(count) {
    if (at + count > bytes.length) refuse("is truncated: it ends within its header or a layer");
    return bytes.subarray(at, at += count);
  }

  function varint() {
    for (let value = 0, shift = 0; shift < 28; shift += 7) {
      const [byte] = take(1);
      value |= (byte & 127) << shift;
      if (byte < 128) return value;
    }
    refuse("is damaged: it has a length that is too large");
  }

  if (bytes.length > MAX_BYTES) refuse(`is damaged: it has more than ${MAX_BYTES} bytes`);
  const [first, second] = take(2);
  if (first !== 0xd3 || second !== 0x67) refuse("is none: it does not begin with the magic number");
  const [flags] = take(1);
  if (flags >> 5 !== 1) refuse(`has version ${flags >> 5}, and this reads 1`);
  const height = varint(), width = flags & 4 ? height : varint(), offset = [1, 0.5][flags & 3];
  if (Math.min(height, width) < 1 || Math.max(height, width) > MAX_SIDE || !offset)
    refuse("is damaged: its size or grid is impossible");
  const [high, low] = take(2), packed = high << 8 | low;
  const longer = Math.max(height, width), classes = CLASSES[packed >> 13];
  const file = {
    height, width, offset, longer, classes,
    channels: flags & 16 ? 3 : 1,
    widths: classes * (bitLength(longer) + 2),
    position: packed >> 8 & 31,
    weight: packed >> 2 & 63,
    chroma: packed & 3,
    gain: flags & 8 ? take(1)[0] : 0,
    layers: [],
  };
  let left = MAX_COMPONENTS;
  while (!file.layers.length || at < bytes.length) {
    if (file.layers.length === MAX_LAYERS) refuse(`is damaged: it has more than ${MAX_LAYERS} layers`);
    const layer = readLayer(take(varint()), file, left);
    left -= layer.length;
    file.layers.push(layer);
  }
  return file;
}

/**
 * The model in a compact file: Float64Arrays weights (count x channels, 1 or 3), means (count x 2) and precisionChol
 * (count x 3: l11, l21, l22). f(x) = sum_i weights_i exp(-|L_i^T (x - means_i)|^2). Throws Error for a damaged file.
 */
export function decode(bytes) {
  const file = decodeIntegers(bytes), {height, width, offset, channels, longer, classes} = file;
  const components = file.layers.flat(), based = file.gain && COMMON_FACE.length, count = based + components.length;
  const weights = new Float64Array(count * channels);
  const means = new Float64Array(count * 2), precisionChol = new Float64Array(count * 3);
  for (let i = 0; i < based; i++) {
    const [weight, row, column, a11, a21, a22] = COMMON_FACE[i], l11 = Math.sqrt(a11), l21 = a21 / l11;
    weights.fill(file.gain / 128 * weight, i * channels, (i + 1) * channels);
    means.set([row, column], 2 * i);
    precisionChol.set([l11, l21, Math.sqrt(a22 - l21 * l21)], 3 * i);
  }
  components.forEach((part, index) => {
    const i = based + index, radius = 2 ** (1 - part.width / classes);
    const place = (side, cell) => {
      const size = (side / longer + 0.3) / cellsOf(file, side, part.width);
      return ((cell + 0.5) * size - 0.15) * longer / side;
    };
    means.set([place(height, part.row), place(width, part.column)], 2 * i);
    if (part.stretch.some(stretch => Math.abs(stretch) > MAX_OCTAVES * classes))
      refuse("is damaged: a component is stretched too far");
    const [b, c] = part.stretch.map(stretch => 2 * Math.LN2 / classes * stretch);
    const h = Math.hypot(b, c) || 1e-300;
    // cosh(h) + b sinh(h) / h, without cancellation for b < 0.
    const sum = b < 0 ? c * c / (h * (h - b)) : 1 + b / h;
    const root = Math.sqrt((Math.exp(h) * sum + Math.exp(-h) * (1 - b / h)) / 2);
    const chol = [root * height, Math.sinh(h) / h * c / root * width, width / root];
    precisionChol.set(chol.map(entry => entry / radius / longer), 3 * i);
    const step = 2 ** (-file.weight / 4) / radius, chroma = step * 2 ** (file.chroma / 2);
    const [y, u, v] = part.weights.map((weight, k) => weight * (k ? chroma : step));
    const [d, e, f] = [y / Math.sqrt(3), u / Math.SQRT2, v / Math.sqrt(6)];
    weights.set(channels === 1 ? [y] : [d + e + f, d - 2 * f, d - e + f], channels * i);
  });
  return {height, width, channels, offset, count, weights, means, precisionChol};
}

// As it was fitted, but at most 512 pixels along a side.
function sizeOf({height, width}) {
  const scale = Math.min(1, 512 / Math.max(height, width));
  return {height: Math.ceil(scale * height), width: Math.ceil(scale * width)};
}

/** The picture as numbers, row by row (height x width x channels), computed without a GPU. */
export function render(model, {height, width} = sizeOf(model)) {
  const {channels, count, offset, weights, means, precisionChol} = model;
  const values = new Float64Array(height * width * channels);
  for (let at = 0; at < values.length; at += channels) {
    const column = at / channels % width, row = (at / channels - column) / width;
    for (let i = 0; i < count; i++) {
      const dr = (row + offset) / height - means[2 * i], dc = (column + offset) / width - means[2 * i + 1];
      const u = precisionChol[3 * i] * dr + precisionChol[3 * i + 1] * dc, v = precisionChol[3 * i + 2] * dc;
      const value = Math.exp(-u * u - v * v);
      for (let k = 0; k < channels; k++) values[at + k] += weights[channels * i + k] * value;
    }
  }
  return values;
}

/** Draws a model into a canvas, which gets the size: by WebGL2, or without it more slowly. */
export function draw(canvas, model, {height, width} = sizeOf(model)) {
  canvas.height = height;
  canvas.width = width;
  const gl = canvas.getContext("webgl2", {alpha: false, antialias: false, preserveDrawingBuffer: true});
  if (gl) return void drawWithWebGL(gl, model, height, width);
  const values = render(model, {height, width}), {channels} = model;
  const pixels = Uint8ClampedArray.from({length: 4 * height * width}, (_, i) => {
    return i % 4 === 3 ? 255 : 255 * values[channels * (i >> 2) + i % 4 % channels];
  });
  canvas.getContext("2d").putImageData(new ImageData(pixels, width, height), 0, 0);
}

const VERTEX = `#version 300 es
void main() { gl_Position = vec4(vec2(gl_VertexID % 2, gl_VertexID / 2) * 4.0 - 1.0, 0.0, 1.0); }`;

// Two texels a component: mean and first row of L^T; l22 and weights.
const FRAGMENT = `#version 300 es
precision highp float;
uniform highp sampler2D components;
uniform vec2 size;
uniform float offset;
uniform int count;
out vec4 color;
void main() {
  vec2 x = (vec2(size.x - gl_FragCoord.y, gl_FragCoord.x) - 0.5 + offset) / size;
  vec3 sum = vec3(0.0);
  for (int i = 0; i < count; i++) {
    ivec2 at = ivec2(2 * (i % 256), i / 256);
    vec4 a = texelFetch(components, at, 0), b = texelFetch(components, at + ivec2(1, 0), 0);
    vec2 d = x - a.xy, t = vec2(dot(a.zw, d), b.x * d.y);
    sum += b.yzw * exp(-dot(t, t));
  }
  color = vec4(sum, 1.0);
}`;

const programs = new WeakMap();

function programOf(gl) {
  if (gl.isProgram(programs.get(gl) ?? null)) return programs.get(gl);
  const program = gl.createProgram();
  for (const [type, source] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]]) {
    const shader = gl.createShader(type);
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
  }
  gl.linkProgram(program);
  if (!gl.getProgramParameter(program, gl.LINK_STATUS)) {
    throw new Error(gl.getProgramInfoLog(program) || "The WebGL context is lost");
  }
  programs.set(gl, program);
  return program;
}

function drawWithWebGL(gl, model, height, width) {
  const {channels, count, weights, means, precisionChol} = model;
  const rows = Math.ceil(count / 256), data = new Float32Array(rows * 2048);
  for (let i = 0; i < count; i++) {
    const own = [0, 1, 2].map(k => weights[channels * i + k % channels]);
    data.set([means[2 * i], means[2 * i + 1], ...precisionChol.subarray(3 * i, 3 * i + 3), ...own], 8 * i);
  }
  const program = programOf(gl), texture = gl.createTexture();
  gl.useProgram(program);
  gl.bindTexture(gl.TEXTURE_2D, texture);
  for (const filter of [gl.TEXTURE_MIN_FILTER, gl.TEXTURE_MAG_FILTER])
    gl.texParameteri(gl.TEXTURE_2D, filter, gl.NEAREST);
  gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA32F, 512, rows, 0, gl.RGBA, gl.FLOAT, data);
  const at = name => gl.getUniformLocation(program, name);
  gl.uniform2f(at("size"), height, width);
  gl.uniform1f(at("offset"), model.offset);
  gl.uniform1i(at("count"), count);
  gl.viewport(0, 0, width, height);
  gl.drawArrays(gl.TRIANGLES, 0, 3);
  gl.deleteTexture(texture);
}

/** The bytes of base64 text. */
export function fromBase64(text) {
  try {
    return Uint8Array.from(atob(text), letter => letter.charCodeAt(0));
  } catch {
    refuse("is not in base64");
  }
}

let shared;

/** Shows base64 text in a canvas, or as the background of another element: of an <img> until its picture is there. */
export function show(element, text, size) {
  const model = decode(fromBase64(text));
  if (element instanceof HTMLCanvasElement) return void draw(element, model, size);
  if (element.complete && element.naturalWidth) return;
  shared ??= document.createElement("canvas"); // browsers allow few WebGL contexts on a page
  draw(shared, model, size);
  const before = element.style.background;
  element.style.background = `center / 100% 100% no-repeat url(${shared.toDataURL()})`;
  element.addEventListener("load", () => (element.style.background = before), {once: true});
}

// The common face of the paper's Table 3: weight, row, column, a11, a21 and a22 in 1/10000, base 36.
const COMMON_FACE = `
1e0,gg,ht,3229o,-g5hc,7av9s w2,0,24q,b4uk,-dgyc,1b0wg -ld,2n5,jk,edqw,-t60,b1gc -hm,6su,255,2wf6k,-14hbw,1c9f8
lo,16d,109,w7n8,4024,gs8s pr,4a4,3y2,4h,3,t li,3un,3eu,4j,-7,kg 1e3,nh,3sv,118z0,4j1g,a140 5o,3ex,3wb,5a,-4a,8pia
-13o,je,15w,2bzrk,eb78,6snvc -1wp,46y,30t,3qwv8,c2ss,2rn44 fe,6as,47i,259o,-2l,2hp dg,7ad,1w1,c06c,-1wwk,5wcg
-14y,4f1,3w9,1y488,3d7w,mcs8 16b,1y,5r1,320nc,2wpg,jlk -1jx,gi,1ir,3twqk,106e4,tn7g -11e,6lz,2yb,205gc,dh14,i8sg
1rd,ij,1qs,6qcro,2a73s,91i4s m6,3oq,17r,fe,4w,3rc6 -kr,2er,4f1,uvhw,15o0,2fcis -xv,a3,6n,bo730,6esy8,5cgmk
pw,3tm,39j,pj,57,87k3 uu,264,3uh,dcde,5e,1r -nk,4f5,2bt,2nqok,-1j89s,24f8g 2v,45d,1e9,q2ys,g4sc,3clfo
-y0,3j9,2cp,1lxq4,tiyo,125rk -bj,7a2,2p2,4zr7w,-1fjh8,1g93g ne,6gj,27z,1796c,bgvw,qrfc dl,7ps,1or,30pno,-3a7k,vze0
-qz,1e4,4ux,yn8,-1caw,1t24o -u1,6nq,41o,4pwa4,9qdw,7jww as,58s,1km,yx0s,b4p0,ubz4 iq,1j9,2ji,1d01k,6j9g,9ct0
ik,51c,po,9cng,efg,emuo -bb,6t1,61t,2ycs4,-18yio,1ax4c -111,od,26g,4rok0,m7ow,6k4dw 113,4uv,1n,4n,-5d,b9xs
-bn,4br,af,50xw,-3t1c,we4k s9,46r,49h,d,4,52r -1xk,6b,xe,2b3tk,pb18,kcy4 nf,jr,7bw,44jzs,3sav8,5w8tg
ea,0,3aa,2gcer4,15tk,3h -ek,2v4,77i,fv2c,-6p7c,12wuk -10m,710,5d6,203ws,oxu8,117qk yw,eb,78r,56itc,2kqck,ge2o4
pp,4ap,3jm,k,-8,1qr jl,3bg,3ej,272,44,fr kf,13g,6c8,2y04k,8a5c,4600 e2,4cf,3wh,hr1k,-1q6w,rzeo
-126,jl,6ld,592mw,-ls6k,8cxhk -7w,4cg,2zv,5h2g,8lkg,24wo8 fb,6c6,45d,23lf,-2,1 iq,7p8,6ly,dye4,4wgs,e18w
-1oj,46u,4pw,41yec,-7uhg,32dx4 12n,o9,51b,1hzio,-76so,1v06w -146,na,61l,amda0,-1ueic,m8xvg -11b,6p1,514,4bxt8,c2vk,cqn4
2eg,lm,61i,5cxu0,-1lrec,c9mj8 ib,5ir,67c,1hbg,9ho,djt4 -i0,34w,4lc,1e8c0,-d3g8,jc54 -1jt,9h,7kr,5e9io,-2hd1w,1xj8o
qo,3rc,4xr,34,-11z,hh2q tp,3b2,3ha,4zwy,-1y,d3 -ds,27w,5cm,1adwo,-o2wc,3ehss rq,1ix,6la,11yqs,3p98,2i78
-u2,3nm,5m8,109eg,-wfd0,1jvq8 -c9,7op,3tl,8qojs,d6gk,hwtw oa,729,5jt,8ky8,-1ky0,a8zc 7s,7bu,xs,taec,-672k,17aes
-w2,1bl,2z2,xg8s,l2c0,18azg -qe,6bj,4s2,4zd3k,-b07w,qego jz,50z,6e7,iwbo,-2ics,mofo lo,4jz,5t2,2n88o,w18o,1boz4
o2,5o0,7ps,1ggw,-7sk,c3vo -12d,6kc,27h,2ra88,o9gg,si04 -177,2jw,36z,clmk,2sm8,d908 u7,3sv,7gs,20b,-49s,bdsc
-ua,4iy,5hj,2mu4c,d2ak,15zvs r6,3e6,46w,54bd,f5,2v0 -28u,4q,6lb,17uxo,-b5uo,13948
`.trim().split(/\s+/).map(row => row.split(",").map(number => parseInt(number, 36) / 10000));
