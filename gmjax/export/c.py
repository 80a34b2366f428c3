"""C99, in double precision, with nothing but ``<math.h>``."""

from gmjax.export.expressions import in_code
from gmjax.export.formula import Formula, conventions


def write(formula: Formula) -> str:
    kind, count, width = formula.kind, len(formula), len(formula.rows()[0])
    first_weight = 5 + len(kind.parameters)
    channels = formula.channels
    columns = ", ".join(("mu (row, column)", "l11, l21, l22", *kind.parameters, "weights"))
    rows = ",\n".join(f"    {{{', '.join(row)}}}" for row in formula.rows())
    lines = [
        *(f"const double {name} = p[{5 + place}];" for place, name in enumerate(kind.parameters)),
        "const double d1 = row - p[0], d2 = column - p[1];",
        "const double u = p[2] * d1 + p[3] * d2, v = p[4] * d2;",
        *(["const double q = u * u + v * v;"] if kind.needs_q else []),
        *(f"const double {name} = {in_code(term)};" for name, term in kind.terms.items()),
    ]
    stride = channels or 1
    index = "" if channels is None else " + c"
    added = " + ".join(f"p[{first_weight + k * stride}{index}] * {name}" for k, name in enumerate(kind.terms))
    if channels is None:
        signature, start, end = "double face(double row, double column)", "double value = 0.0;", "\n    return value;"
        lines.append(f"value += {added};")
    else:
        signature, end = f"void face(double row, double column, double value[{channels}])", ""
        start = f"for (int c = 0; c < {channels}; c++) value[c] = 0.0;"
        lines.append(f"for (int c = 0; c < {channels}; c++) value[c] += {added};")
    comment = "\n   ".join([*conventions(formula), f"A row of the table: {columns}. Link with -lm."])
    body = "\n        ".join(lines)
    return f"""/* {comment} */
#include <math.h>

static const double face_components[{count}][{width}] = {{
{rows}
}};

{signature}
{{
    {start}
    for (int i = 0; i < {count}; i++) {{
        const double *p = face_components[i];
        {body}
    }}{end}
}}
"""
