"""GLSL draws in WebGL2 and WGSL computes in WebGPU, and both agree with the formula in float64."""

import re

import numpy as np
import pytest

from gmjax import ArgumentError
from gmjax.export.shaders import write_glsl, write_wgsl
from tests.browser import READ_FLOATS, open_html
from tests.export.formulas import FORMULAS, NAMES, POINTS, formula, values

HEIGHT, WIDTH = 5, 8
# GLSL ES leaves the accuracy of cos to the device; this one's error is 2^-14.
TOLERANCE = {"rtol": 2e-5, "atol": 2e-4}

DRAW = (
    """
const gl = document.createElement("canvas").getContext("webgl2");
gl.getExtension("EXT_color_buffer_float");
const [fragment, height, width] = arguments_;
const program = gl.createProgram();
const corners = `#version 300 es
void main() { gl_Position = vec4(vec2(gl_VertexID % 2, gl_VertexID / 2) * 4.0 - 1.0, 0.0, 1.0); }`;
for (const [type, text] of [[gl.VERTEX_SHADER, corners], [gl.FRAGMENT_SHADER, fragment]]) {
  const shader = gl.createShader(type);
  gl.shaderSource(shader, text);
  gl.compileShader(shader);
  if (!gl.getShaderParameter(shader, gl.COMPILE_STATUS)) throw new Error(gl.getShaderInfoLog(shader));
  gl.attachShader(program, shader);
}
gl.linkProgram(program);
if (!gl.getProgramParameter(program, gl.LINK_STATUS)) throw new Error(gl.getProgramInfoLog(program));
gl.bindTexture(gl.TEXTURE_2D, gl.createTexture());
gl.texStorage2D(gl.TEXTURE_2D, 1, gl.RGBA32F, width, height);
gl.bindFramebuffer(gl.FRAMEBUFFER, gl.createFramebuffer());
const texture = gl.getParameter(gl.TEXTURE_BINDING_2D);
gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.TEXTURE_2D, texture, 0);
gl.viewport(0, 0, width, height);
gl.useProgram(program);
gl.drawArrays(gl.TRIANGLES, 0, 3);
"""
    + READ_FLOATS
    + """return Array.from(pixels);
"""
)

COMPUTE = """
const [code, points, floats] = arguments_;
const adapter = await navigator.gpu?.requestAdapter();
if (!adapter) return null;
const device = await adapter.requestDevice();
const module = device.createShaderModule({code});
const messages = (await module.getCompilationInfo()).messages.map(message => message.message);
if (messages.length) throw new Error(messages.join());
const {STORAGE, COPY_SRC, COPY_DST, MAP_READ} = GPUBufferUsage;
const made = (size, usage) => device.createBuffer({size: 4 * size, usage});
const places = made(points.length, STORAGE | COPY_DST), values = made(floats, STORAGE | COPY_SRC);
const read = made(floats, COPY_DST | MAP_READ);
device.queue.writeBuffer(places, 0, new Float32Array(points));
const pipeline = device.createComputePipeline({layout: "auto", compute: {module}});
const entries = [places, values].map((buffer, binding) => ({binding, resource: {buffer}}));
const encoder = device.createCommandEncoder(), pass = encoder.beginComputePass();
pass.setPipeline(pipeline);
pass.setBindGroup(0, device.createBindGroup({layout: pipeline.getBindGroupLayout(0), entries}));
pass.dispatchWorkgroups(points.length / 2);
pass.end();
encoder.copyBufferToBuffer(values, 0, read, 0, 4 * floats);
device.queue.submit([encoder.finish()]);
await read.mapAsync(GPUMapMode.READ);
return Array.from(new Float32Array(read.getMappedRange()));
"""


def run(page, script: str, *arguments):
    return page.evaluate(f"async arguments_ => {{ {script} }}", list(arguments))


def drawn(page, source: str, main: str) -> np.ndarray:
    """(H, W, 4): what a fragment shader of ``source`` and ``main`` draws, from the top."""
    head = "#version 300 es\nprecision highp float;\nout vec4 color;\n"
    pixels = run(page, DRAW, head + source + main, HEIGHT, WIDTH)
    return np.array(pixels).reshape(HEIGHT, WIDTH, 4)[::-1]


def grid(offset: float) -> np.ndarray:
    rows, columns = np.meshgrid(
        (np.arange(HEIGHT) + offset) / HEIGHT, (np.arange(WIDTH) + offset) / WIDTH, indexing="ij"
    )
    return np.stack([rows, columns], axis=-1).reshape(-1, 2)


@pytest.mark.parametrize("case", range(len(FORMULAS)), ids=NAMES)
def test_glsl(page, case):
    page.goto("about:blank")
    made = FORMULAS[case]
    value = "face(x)" if made.channels == 3 else "vec3(face(x))"
    main = f"""
void main() {{
    vec2 x = (vec2({HEIGHT}.0 - gl_FragCoord.y, gl_FragCoord.x) - 0.5 + 0.25) / vec2({HEIGHT}, {WIDTH});
    color = vec4({value}, 1.0);
}}"""
    expected = values(case, grid(0.25)).reshape(HEIGHT, WIDTH, -1)
    pixels = drawn(page, write_glsl(made), main)[..., : made.channels or 1]
    np.testing.assert_allclose(pixels, expected, **TOLERANCE)


@pytest.mark.parametrize("case", [0, 1], ids=NAMES[:2])
def test_glsl_as_pasted_into_shadertoy(page, case):
    """The example in the comment draws the picture upright, with its pixels where they were fitted."""
    page.goto("about:blank")
    source = write_glsl(FORMULAS[case])
    (example,) = re.findall(r"// void mainImage.*?// }\n", source, re.DOTALL)
    example = re.sub("^// ", "", example, flags=re.MULTILINE)
    main = f"{example}\nvoid main() {{ mainImage(color, gl_FragCoord.xy); }}"
    pixels = drawn(page, f"const vec3 iResolution = vec3({WIDTH}, {HEIGHT}, 1);\n{source}", main)
    expected = values(case, grid(0.25)).reshape(HEIGHT, WIDTH, -1)
    np.testing.assert_allclose(pixels[..., :3], np.broadcast_to(expected, (HEIGHT, WIDTH, 3)), **TOLERANCE)


def test_wgsl(page, tmp_path):
    (tmp_path / "empty.html").write_text("<!doctype html><title>WebGPU</title>")
    open_html(page, tmp_path / "empty.html")  # a secure context, which about:blank is not
    for case, made in enumerate(FORMULAS):
        channels = made.channels or 1
        added = (
            "values[i] = value;" if channels == 1 else "for (var c = 0u; c < 3u; c++) { values[3 * i + c] = value[c]; }"
        )
        code = f"""{write_wgsl(made)}
@group(0) @binding(0) var<storage, read> places: array<vec2f>;
@group(0) @binding(1) var<storage, read_write> values: array<f32>;
@compute @workgroup_size(1) fn main(@builtin(global_invocation_id) id: vec3u) {{
    let i = id.x;
    let value = face(places[i]);
    {added}
}}"""
        computed = run(page, COMPUTE, code, POINTS.ravel().tolist(), len(POINTS) * channels)
        if computed is None:
            pytest.skip("this Chromium has no WebGPU")
        expected = values(case, POINTS)
        np.testing.assert_allclose(np.array(computed).reshape(expected.shape), expected, **TOLERANCE)


@pytest.mark.parametrize("write", [write_glsl, write_wgsl])
def test_no_vector_has_five_channels(write):
    with pytest.raises(ArgumentError, match="5 channels"):
        write(formula(channels=5))
