"""C, JavaScript and Python are compiled or run as their users do, and agree with the formula in float64."""

import base64
import json
import shutil
import subprocess
import sys

import numpy as np
import pytest

from gmjax.export import c, javascript, numpy_source
from tests import reference
from tests.export.formulas import FORMULAS, NAMES, POINTS, formula, values

COMPILER = shutil.which("cc")


def test_the_comparison_agrees_with_the_paper():
    np.testing.assert_allclose(values(0, POINTS), reference.formula(formula().params, POINTS), rtol=1e-12, atol=1e-14)


@pytest.mark.skipif(COMPILER is None, reason="there is no C compiler, cc")
@pytest.mark.parametrize("case", range(len(FORMULAS)), ids=NAMES)
def test_c(tmp_path, case):
    channels = FORMULAS[case].channels
    call = "value[0] = face(row, column);" if channels is None else "face(row, column, value);"
    (tmp_path / "face.c").write_text(
        c.write(FORMULAS[case])
        + f"""
#include <stdio.h>
int main(void)
{{
    double row, column, value[{channels or 1}];
    while (scanf("%lf %lf", &row, &column) == 2) {{
        {call}
        for (int c = 0; c < {channels or 1}; c++) printf("%.17g ", value[c]);
    }}
    return 0;
}}
"""
    )
    strict = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic", "-Wconversion", "-O1"]
    command = [COMPILER, *strict, "face.c", "-o", "face", "-lm"]
    compiled = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert compiled.returncode == 0, compiled.stderr
    points = " ".join(map(repr, POINTS.ravel().tolist()))
    done = subprocess.run([tmp_path / "face"], input=points, capture_output=True, text=True, timeout=60)
    expected = values(case, POINTS)
    np.testing.assert_allclose(np.array(done.stdout.split(), float).reshape(expected.shape), expected, rtol=1e-12)


def test_javascript(page):
    page.goto("about:blank")
    for case, made in enumerate(FORMULAS):
        source = base64.b64encode(javascript.write(made).encode()).decode()
        script = f"""async points => {{
            const module = await import("data:text/javascript;base64,{source}");
            return [module.OFFSET, points.map(([row, column]) => module.face(row, column))];
        }}"""
        offset, drawn = page.evaluate(script, POINTS.tolist())
        assert offset == 0.25
        np.testing.assert_allclose(np.array(drawn), values(case, POINTS), rtol=1e-12)


def test_numpy(tmp_path):
    """In a process that imports nothing else, all files in turn."""
    for name, made in zip(NAMES, FORMULAS, strict=True):
        (tmp_path / f"{name}.py").write_text(numpy_source.write(made))
    (tmp_path / "points.json").write_text(json.dumps(POINTS.tolist()))
    code = f"""
import json, runpy, sys
points = json.load(open("points.json"))
modules = [runpy.run_path(name + ".py") for name in {NAMES!r}]
print(json.dumps([[m["face"](points).tolist(), m["render"](2, 3).tolist()] for m in modules]))
assert not {{"gmjax", "jax"}} & set(sys.modules)
"""
    command = [sys.executable, "-I", "-W", "error", "-c", code]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    grid = np.array([[(r + 0.25) / 2, (c + 0.25) / 3] for r in range(2) for c in range(3)])
    for case, (at_points, picture) in enumerate(json.loads(done.stdout)):
        expected = values(case, grid)
        np.testing.assert_allclose(at_points, values(case, POINTS), rtol=1e-12)
        np.testing.assert_allclose(picture, expected.reshape(2, 3, *expected.shape[1:]), rtol=1e-12)
