// Numbers as text.

// For people: four digits, with a true minus sign.
export function short(value) {
  const size = Math.abs(value);
  const text =
    size !== 0 && (size < 1e-4 || size >= 1e5) ? value.toExponential(2) : String(Number(value.toPrecision(4)));
  return text.replace("-", "−");
}

export const signed = (value) => (value < 0 ? short(value) : `+${short(value)}`);

// A whole number as an index below the line.
export const lowered = (number) => String(number).replace(/\d/g, (digit) => "₀₁₂₃₄₅₆₇₈₉"[digit]);

// For programs: the fewest digits that give the same float32.
export function exact(value) {
  const single = Math.fround(value);
  for (let digits = 6; digits < 9; digits++) {
    const text = single.toPrecision(digits);
    if (Math.fround(Number(text)) === single) return String(Number(text));
  }
  return String(Number(single.toPrecision(9)));
}

// The same, always with a point or an exponent, as NumPy writes it.
export function asFloat(value) {
  const text = exact(value),
    size = Math.abs(Math.fround(value));
  if (size === 0 || (size >= 1e-4 && size < 1e6)) return text.includes(".") ? text : `${text}.0`;
  return Number(text)
    .toExponential()
    .replace(/e([+-])(\d)$/, "e$10$2");
}
