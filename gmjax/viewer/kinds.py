"""The kinds of formula that ``gmjax.export`` knows, as a module of the viewer's JavaScript."""

import json
from collections.abc import Mapping
from typing import Any

from gmjax.export.expressions import in_code
from gmjax.export.formula import KINDS, PROFILE_KINDS, Kind
from gmjax.export.latex import terms_in_tex
from gmjax.gmface import Atoms, GmFace, Model
from gmjax.profiles import PROFILES, Profile, turned_vector


def name_of(model: Model) -> str:
    """What the page calls the kind of a model."""
    return model.profile.name if isinstance(model, Atoms) else GmFace.__name__


def module() -> str:
    """``KINDS``, by name, each with

    noun: what its components are called.
    terms: the name and the expression of each.
    latex: each term as a factor, with «u», «v», «q» and «a parameter» to be replaced.
    parameters: the name of each, and the value of a new component.
    turn: what changes when a component turns: null if that is not known, else "nothing", "weights" or "vector", the
        first two parameters.
    add(sums, c, count, u, v, du, dv, w, j, p, i): adds a component to sums, of c channels each, at so many places from
        (u, v) on in steps of (du, dv); its weights are those in w from j on, all channels of the first term in front,
        and its parameters those in p from i on.
    """
    gaussian = _entry(GmFace.__name__, KINDS[GmFace], PROFILES["gaussian"])
    others = (_entry(name, kind, PROFILES[name]) for name, kind in PROFILE_KINDS.items())
    return f"export const KINDS = {{\n{''.join([gaussian, *others])}}};\n"


def _entry(name: str, kind: Kind, profile: Profile) -> str:
    names = {name: f"«{name}»" for name in ("u", "v", "q", *kind.parameters)}
    described: Mapping[str, Any] = {
        "noun": kind.noun,
        "terms": list(kind.terms.items()),
        "latex": terms_in_tex(kind, names),
        "parameters": [(parameter.name, parameter.start) for parameter in profile.parameters],
        "turn": _turn(profile),
    }
    added = " + ".join(f"w[j + {place} * c + k] * {term}" for place, term in enumerate(kind.terms))
    own = " ".join(f"const {parameter} = p[i + {place}];" for place, parameter in enumerate(kind.parameters))
    lines = [
        *(["const q = u * u + v * v;"] if kind.needs_q else []),
        *(f"const {term} = {in_code(text, 'Math.')};" for term, text in kind.terms.items()),
        f"for (let k = 0; k < c; k++) sums[n * c + k] += {added};",
    ]
    loop = f"for (let n = 0; n < count; n++, u += du, v += dv) {{ {' '.join(lines)} }}"
    fields = "".join(f"{key}: {json.dumps(value, ensure_ascii=False)}, " for key, value in described.items())
    return f'"{name}": {{ {fields}add(sums, c, count, u, v, du, dv, w, j, p, i) {{ {own} {loop} }} }},\n'


def _turn(profile: Profile) -> str | None:
    if profile.turn == "radial":
        return "nothing"
    if profile.turn is turned_vector:
        return "vector"
    return None if profile.turn is None or profile.parameters else "weights"
