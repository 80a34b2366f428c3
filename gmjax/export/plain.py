"""The formula as text: written out term by term, and with lists for desmos.com."""

from gmjax.errors import ArgumentError
from gmjax.export.expressions import holds_together, in_tex, in_text
from gmjax.export.formula import Formula, conventions
from gmjax.export.signs import minus, plus
from gmjax.files.decimals import shortest

_MAX_DESMOS = 10_000  # elements of a list
_STYLE = {
    "*": r"{}\cdot {}",
    "/": r"\frac{{{}}}{{{}}}",
    "(": r"\left({}\right)",
    "exp": "e^{{{}}}",
    "sqrt": r"\sqrt{{{}}}",
    "cos": r"\cos\left({}\right)",
    "log": r"\ln\left({}\right)",
}


def write_text(formula: Formula) -> str:
    """One line a component, and one formula a channel."""
    comment = "\n".join(
        f"# {line}"
        for line in [*conventions(formula), "Here x = column / W goes to the right and y = row / H goes down."]
    )
    return f"{comment}\n" + "".join(f"\n{_sum(formula, channel)}\n" for channel in range(formula.weights.shape[2]))


def _sum(formula: Formula, channel: int) -> str:
    kind, lines = formula.kind, []
    for row, weights in zip(formula.rows(), formula.weights[:, :, channel], strict=True):
        mu1, mu2, l11, l21, l22 = row[:5]
        down, right = f"(y{minus(mu1)})", f"(x{minus(mu2)})"
        names = {"u": f"({l11}*{down}{plus(l21)}*{right})", "v": f"({l22}*{right})"}
        names["q"] = f"({names['u']}^2+{names['v']}^2)"
        names |= {name: f"({text})" for name, text in zip(kind.parameters, row[5:], strict=False)}
        for weight, (name, term) in zip(weights, kind.terms.items(), strict=True):
            text = in_text(term, names)
            names[name] = text if holds_together(term) else f"({text})"
            lines.append(f"  {plus(shortest(weight))}*{names[name]}")
    function = "f" if formula.channels is None else f"f{channel + 1}"
    return "\n".join([f"{function}(x, y) =", *lines])


def write_desmos(formula: Formula) -> str:
    """Lines that are pasted together: one list for each parameter, and the sum over all components."""
    if len(formula) > _MAX_DESMOS:
        raise ArgumentError("params", f"has {len(formula)} components, and a list in Desmos at most {_MAX_DESMOS}")
    kind, channels = formula.kind, formula.weights.shape[2]
    heads = ["M_{1}", "M_{2}", "L_{11}", "L_{21}", "L_{22}"]
    heads += [f"P_{{{place + 1}}}" for place in range(len(kind.parameters))]
    heads += [f"W_{{{place + 1}}}" for place in range(len(kind.terms) * channels)]
    columns = zip(*formula.rows(), strict=True)
    lists = [
        rf"{head}=\left[{','.join(map(_number, column))}\right]" for head, column in zip(heads, columns, strict=True)
    ]
    down, right = r"\left(1-y-M_{1}\right)", r"\left(x-M_{2}\right)"
    names = {
        "u": rf"\left(L_{{11}}\cdot {down}+L_{{21}}\cdot {right}\right)",
        "v": rf"\left(L_{{22}}\cdot {right}\right)",
    }
    names["q"] = rf"\left({names['u']}^{{2}}+{names['v']}^{{2}}\right)"
    names |= {name: f"P_{{{place + 1}}}" for place, name in enumerate(kind.parameters)}
    for name, term in kind.terms.items():
        text = in_tex(term, names, _STYLE)
        names[name] = text if holds_together(term) else rf"\left({text}\right)"
    functions = []
    for channel in range(channels):
        weights = (f"W_{{{place * channels + channel + 1}}}" for place in range(len(kind.terms)))
        added = "+".join(rf"{weight}\cdot {names[name]}" for weight, name in zip(weights, kind.terms, strict=True))
        function = "f" if formula.channels is None else f"f_{{{channel + 1}}}"
        functions.append(rf"{function}\left(x,y\right)=\operatorname{{total}}\left({added}\right)")
    last = "Here x = column / W goes to the right and y = 1 - row / H goes up, so that the face is upright."
    notes = [f'"{line}' for line in [*conventions(formula), last]]
    return "\n".join([*notes, *lists, *functions]) + "\n"


def _number(text: str) -> str:
    mantissa, _, exponent = text.partition("e")
    mantissa = mantissa.removesuffix(".0")
    return rf"{mantissa}\cdot 10^{{{int(exponent)}}}" if exponent else mantissa
