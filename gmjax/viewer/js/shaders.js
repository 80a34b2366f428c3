// The formula in GLSL, evaluated for each pixel in float32.

import { KINDS } from "./kinds.js";

export const LOOKS = { formula: 0, difference: 1, picture: 2 };

export const COVER = `#version 300 es
in vec2 corner;
void main() { gl_Position = vec4(corner, 0.0, 1.0); }`;

// How many texels a component has: mean - middle, l11, l21, l22, the parameters, and three weights a term.
export const texelsOf = ({ parameters, terms }) => Math.ceil((5 + parameters.length + 3 * terms.length) / 4);

function componentOf(kind) {
  const { parameters, terms } = kind,
    number = (n) => `t${n >> 2}.${"xyzw"[n % 4]}`;
  const weight = (k) => [0, 1, 2].map((n) => number(5 + parameters.length + 3 * k + n)).join(", ");
  return [
    ...Array.from({ length: texelsOf(kind) }, (_, n) => `vec4 t${n} = texel(place + ${n}u);`),
    "vec2 d = x - t0.xy;",
    "float u = t0.z * d.x + t0.w * d.y, v = t1.x * d.y, q = u * u + v * v;",
    ...parameters.map(([name], n) => `float ${name} = ${number(5 + n)};`),
    ...terms.map(([name, text]) => `float ${name} = ${text.replaceAll("cos(", "cosine(")};`),
    `return ${terms.map(([name], k) => `vec3(${weight(k)}) * ${name}`).join(" + ")};`,
  ].join("\n  ");
}

export const formulaShader = (profile) => `#version 300 es
precision highp float;
precision highp int;
precision highp sampler2D;
precision highp usampler2D;
uniform sampler2D components, picture;
uniform usampler2D lists;
uniform ivec2 size, tiles;  // tiles: how many across, their side
uniform vec2 start, pixel;  // relative to the middle of the window: position of the first pixel, and the step
uniform vec2 first, advance;  // the same in pixels of the picture
uniform int look, flip;
uniform float gain;
out vec4 color;

vec4 texel(uint n) { return texelFetch(components, ivec2(n & 2047u, n >> 11), 0); }

// To float32, where cos may be off by 2^-11: the cosine of x is the sine of pi / 2 - |x|, for |x| < pi.
float cosine(float x) {
  float t = 1.5707963 - abs(x - 6.2831853 * round(x / 6.2831853)), s = t * t;
  return t * (1.0 + s * (-1.0 / 6.0 + s * (1.0 / 120.0 + s * (-1.0 / 5040.0 + s * (1.0 / 362880.0 - s / 39916800.0)))));
}

vec3 component(vec2 x, uint place) {
  ${componentOf(KINDS[profile])}
}

uint entry(uint n) { return texelFetch(lists, ivec2(n & 2047u, n >> 11), 0).r; }

vec3 formula(ivec2 at) {
  vec2 x = start + vec2(at) * pixel;
  uint tile = 2u * uint((at.x / tiles.y) * tiles.x + at.y / tiles.y);
  uint from = entry(tile), end = from + entry(tile + 1u);
  vec3 sum = vec3(0.0);
  for (uint n = from; n < end; n++) sum += component(x, ${texelsOf(KINDS[profile])}u * entry(n));
  return sum;
}

void main() {
  ivec2 at = ivec2(gl_FragCoord.yx);
  if (flip == 1) at.x = size.x - 1 - at.x;
  if (look == ${LOOKS.formula}) {
    color = vec4(formula(at), 1.0);
    return;
  }
  ivec2 texel = ivec2(floor(first + vec2(at) * advance + 0.5)), most = textureSize(picture, 0).yx;
  bool inside = all(greaterThanEqual(texel, ivec2(0))) && all(lessThan(texel, most));
  vec3 wanted = texelFetch(picture, clamp(texel.yx, ivec2(0), most.yx - 1), 0).rgb;
  if (look == ${LOOKS.picture}) color = vec4(inside ? wanted : vec3(0.5), 1.0);
  else color = vec4(inside ? 0.5 + gain * (formula(at) - wanted) : vec3(0.5), 1.0);
}`;

export const SURFACE = `#version 300 es
precision highp float;
in vec3 position, normal, tint;
uniform mat4 camera;
out vec3 facing, paint;
void main() {
  gl_Position = camera * vec4(position, 1.0);
  facing = normal;
  paint = tint;
}`;

export const SURFACE_LIGHT = `#version 300 es
precision highp float;
in vec3 facing, paint;
out vec4 color;
void main() {
  vec3 n = normalize(facing);
  float light = 0.35 + 0.75 * max(0.0, dot(n, normalize(vec3(-0.6, 0.6, 0.5))));
  color = vec4(mix(vec3(0.85), paint, 0.7) * light, 1.0);
}`;
