// Draws with WebGL2. A painter has show, floats, surface, setPicture and destroy; plain.js has the same without WebGL.

import { resize } from "./dom.js";
import { channelsOf } from "./formula.js";
import { KINDS } from "./kinds.js";
import { COVER, LOOKS, SURFACE, SURFACE_LIGHT, formulaShader, texelsOf } from "./shaders.js";
import { tilesOf } from "./tiles.js";
import { middleOf, parts } from "./windows.js";

const TEXELS = 2048,
  FLOAT_SIDE = 512;

// Null where the browser has no WebGL2. restored is called after the GPU was lost and is back.
export function webglPainter(canvas, profile, restored) {
  const gl = canvas.getContext("webgl2", {
    alpha: false,
    antialias: true,
    depth: true,
    powerPreference: "high-performance",
  });
  if (!gl) return null;
  let tools,
    picture = null,
    lost = false;

  function start() {
    const hasFloats = gl.getExtension("EXT_color_buffer_float") !== null;
    tools = {
      hasFloats,
      formula: program(gl, COVER, formulaShader(profile)),
      surface: program(gl, SURFACE, SURFACE_LIGHT),
      cover: buffer(gl, gl.ARRAY_BUFFER, Float32Array.of(-1, -1, 3, -1, -1, 3)),
      mesh: ["position", "normal", "tint"].map(() => gl.createBuffer()),
      triangles: gl.createBuffer(),
      components: texture(gl),
      lists: texture(gl),
      picture: texture(gl),
      target: hasFloats ? floatTarget(gl) : null,
    };
    setPicture(picture);
  }

  function setPicture(image) {
    picture = image;
    const { width, height, data } = image ?? { width: 1, height: 1, data: Uint8Array.of(128, 128, 128, 255) };
    gl.bindTexture(gl.TEXTURE_2D, tools.picture);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA8, width, height, 0, gl.RGBA, gl.UNSIGNED_BYTE, new Uint8Array(data.buffer));
  }

  function evaluate(model, indices, window, look, { gain, shape }, flip) {
    const { formula } = tools,
      middle = middleOf(window),
      { rows, columns } = window;
    const tiles = tilesOf(model, look === LOOKS.picture ? [] : indices, window);
    upload(gl, tools.components, gl.RGBA32F, gl.RGBA, gl.FLOAT, 4, packed(model, indices, middle));
    upload(gl, tools.lists, gl.R32UI, gl.RED_INTEGER, gl.UNSIGNED_INT, 1, tiles.lists);
    gl.useProgram(formula.program);
    ["components", "lists", "picture"].forEach((name, unit) => {
      gl.activeTexture(gl.TEXTURE0 + unit);
      gl.bindTexture(gl.TEXTURE_2D, tools[name]);
      gl.uniform1i(formula.uniform(name), unit);
    });
    gl.activeTexture(gl.TEXTURE0);
    gl.uniform2i(formula.uniform("size"), rows.count, columns.count);
    gl.uniform2i(formula.uniform("tiles"), tiles.across, tiles.side);
    gl.uniform2f(formula.uniform("start"), rows.start - middle[0], columns.start - middle[1]);
    gl.uniform2f(formula.uniform("pixel"), rows.step, columns.step);
    const [height, width] = shape ?? [1, 1];
    gl.uniform2f(formula.uniform("first"), rows.start * height - model.offset, columns.start * width - model.offset);
    gl.uniform2f(formula.uniform("advance"), rows.step * height, columns.step * width);
    gl.uniform1i(formula.uniform("look"), look);
    gl.uniform1i(formula.uniform("flip"), flip ? 1 : 0);
    gl.uniform1f(formula.uniform("gain"), gain ?? 1);
    gl.viewport(0, 0, columns.count, rows.count);
    gl.disable(gl.DEPTH_TEST);
    attribute(gl, formula, "corner", tools.cover, 2);
    gl.drawArrays(gl.TRIANGLES, 0, 3);
  }

  // Draws the window on the whole canvas. look: of LOOKS; gain and shape are for the picture to compare with.
  function show(model, indices, window, look, options) {
    if (lost) return;
    resize(canvas, window.rows.count, window.columns.count);
    evaluate(model, indices, window, LOOKS[look], options, true);
  }

  // The values of the formula, not clipped: rows * columns * channels numbers. Null where the GPU cannot draw floats.
  function floats(model, indices, window) {
    if (lost || !tools.hasFloats) return null;
    const c = channelsOf(model),
      { count: height } = window.rows,
      { count: width } = window.columns;
    const values = new Float32Array(height * width * c);
    gl.bindFramebuffer(gl.FRAMEBUFFER, tools.target);
    for (const [top, left, piece] of parts(window, FLOAT_SIDE)) {
      const rows = piece.rows.count,
        columns = piece.columns.count,
        pixels = new Float32Array(4 * rows * columns);
      evaluate(model, indices, piece, LOOKS.formula, {}, false);
      gl.readPixels(0, 0, columns, rows, gl.RGBA, gl.FLOAT, pixels);
      for (let row = 0; row < rows; row++) {
        for (let column = 0; column < columns; column++) {
          const from = 4 * (row * columns + column),
            to = ((top + row) * width + left + column) * c;
          for (let k = 0; k < c; k++) values[to + k] = pixels[from + k];
        }
      }
    }
    gl.bindFramebuffer(gl.FRAMEBUFFER, null);
    return values;
  }

  // Draws a mesh of surface.js, on a canvas of height x width pixels.
  function surface(mesh, camera, background, height, width) {
    if (lost) return;
    resize(canvas, height, width);
    gl.viewport(0, 0, width, height);
    gl.clearColor(...background, 1);
    gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
    gl.enable(gl.DEPTH_TEST);
    gl.useProgram(tools.surface.program);
    gl.uniformMatrix4fv(tools.surface.uniform("camera"), false, camera);
    ["position", "normal", "tint"].forEach((name, n) => {
      gl.bindBuffer(gl.ARRAY_BUFFER, tools.mesh[n]);
      gl.bufferData(gl.ARRAY_BUFFER, mesh[name], gl.DYNAMIC_DRAW);
      attribute(gl, tools.surface, name, tools.mesh[n], 3);
    });
    gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, tools.triangles);
    gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, mesh.triangles, gl.STATIC_DRAW);
    gl.drawElements(gl.TRIANGLES, mesh.triangles.length, gl.UNSIGNED_INT, 0);
  }

  // Calls done once the GPU has drawn all it was given.
  function whenDrawn(done) {
    if (lost) return;
    const fence = gl.fenceSync(gl.SYNC_GPU_COMMANDS_COMPLETE, 0);
    gl.flush();
    const look = () => {
      if (lost) return;
      if (gl.clientWaitSync(fence, 0, 0) === gl.TIMEOUT_EXPIRED) return setTimeout(look, 2);
      gl.deleteSync(fence);
      done();
    };
    setTimeout(look, 0);
  }

  const onLost = (event) => {
    event.preventDefault();
    lost = true;
  };
  const onRestored = () => {
    lost = false;
    start();
    restored();
  };
  canvas.addEventListener("webglcontextlost", onLost);
  canvas.addEventListener("webglcontextrestored", onRestored);

  function destroy() {
    canvas.removeEventListener("webglcontextlost", onLost);
    canvas.removeEventListener("webglcontextrestored", onRestored);
    gl.getExtension("WEBGL_lose_context")?.loseContext();
  }

  start();
  return { name: "webgl", show, floats, surface, setPicture, whenDrawn, isBusy: () => false, destroy };
}

function packed(model, indices, [row, column]) {
  const kind = KINDS[model.profile],
    each = 4 * texelsOf(kind),
    data = new Float32Array(each * Math.max(1, indices.length)),
    c = channelsOf(model);
  indices.forEach((i, n) => {
    const own = model.parameters.subarray(i * kind.parameters.length, (i + 1) * kind.parameters.length);
    data.set([model.means[2 * i] - row, model.means[2 * i + 1] - column], each * n);
    data.set(model.chol.subarray(3 * i, 3 * i + 3), each * n + 2);
    data.set(own, each * n + 5);
    let to = each * n + 5 + own.length;
    kind.terms.forEach((_, term) => {
      const from = (i * kind.terms.length + term) * c;
      for (let k = 0; k < 3; k++) data[to++] = model.weights[from + Math.min(k, c - 1)];
    });
  });
  return data;
}

function upload(gl, target, internal, format, type, each, data) {
  const height = Math.max(1, Math.ceil(data.length / each / TEXELS)),
    full = new data.constructor(height * TEXELS * each);
  full.set(data);
  gl.bindTexture(gl.TEXTURE_2D, target);
  gl.texImage2D(gl.TEXTURE_2D, 0, internal, TEXELS, height, 0, format, type, full);
}

function texture(gl) {
  const made = gl.createTexture();
  gl.bindTexture(gl.TEXTURE_2D, made);
  gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.NEAREST);
  gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAG_FILTER, gl.NEAREST);
  gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_WRAP_S, gl.CLAMP_TO_EDGE);
  gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_WRAP_T, gl.CLAMP_TO_EDGE);
  return made;
}

function floatTarget(gl) {
  const target = gl.createFramebuffer(),
    made = texture(gl);
  gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA32F, FLOAT_SIDE, FLOAT_SIDE, 0, gl.RGBA, gl.FLOAT, null);
  gl.bindFramebuffer(gl.FRAMEBUFFER, target);
  gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.TEXTURE_2D, made, 0);
  gl.bindFramebuffer(gl.FRAMEBUFFER, null);
  return target;
}

function buffer(gl, kind, data) {
  const made = gl.createBuffer();
  gl.bindBuffer(kind, made);
  gl.bufferData(kind, data, gl.STATIC_DRAW);
  return made;
}

function attribute(gl, { program }, name, from, each) {
  const place = gl.getAttribLocation(program, name);
  gl.bindBuffer(gl.ARRAY_BUFFER, from);
  gl.enableVertexAttribArray(place);
  gl.vertexAttribPointer(place, each, gl.FLOAT, false, 0, 0);
}

function program(gl, vertex, fragment) {
  const made = gl.createProgram();
  for (const [kind, text] of [
    [gl.VERTEX_SHADER, vertex],
    [gl.FRAGMENT_SHADER, fragment],
  ]) {
    const shader = gl.createShader(kind);
    gl.shaderSource(shader, text);
    gl.compileShader(shader);
    gl.attachShader(made, shader);
  }
  gl.linkProgram(made);
  if (!gl.getProgramParameter(made, gl.LINK_STATUS) && !gl.isContextLost())
    throw new Error(`WebGL2: ${gl.getProgramInfoLog(made)}`);
  const places = new Map();
  const uniform = (name) => {
    if (!places.has(name)) places.set(name, gl.getUniformLocation(made, name));
    return places.get(name);
  };
  return { program: made, uniform };
}
