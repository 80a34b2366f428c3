// The formula in GLSL, evaluated for each pixel in float32.

import { PROFILES } from "./profiles.js";

export const LOOKS = { formula: 0, difference: 1, picture: 2 };

export const COVER = `#version 300 es
in vec2 corner;
void main() { gl_Position = vec4(corner, 0.0, 1.0); }`;

// Two texels a component: (mean - middle, l11, l21), (l22, weights).
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

float profile(float q) { return ${PROFILES[profile].glsl}; }

uint entry(uint n) { return texelFetch(lists, ivec2(n & 2047u, n >> 11), 0).r; }

vec3 formula(ivec2 at) {
  vec2 x = start + vec2(at) * pixel;
  uint tile = 2u * uint((at.x / tiles.y) * tiles.x + at.y / tiles.y);
  uint from = entry(tile), end = from + entry(tile + 1u);
  vec3 sum = vec3(0.0);
  for (uint n = from; n < end; n++) {
    uint place = 2u * entry(n);
    ivec2 texel = ivec2(place & 2047u, place >> 11);
    vec4 a = texelFetch(components, texel, 0), b = texelFetch(components, texel + ivec2(1, 0), 0);
    vec2 d = x - a.xy;
    float u = a.z * d.x + a.w * d.y, v = b.x * d.y;
    sum += b.yzw * profile(u * u + v * v);
  }
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
