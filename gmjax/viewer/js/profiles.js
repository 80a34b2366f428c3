// The profile of a component as a function of q = |L^T (x - mu)|^2. The only place that knows it: in JavaScript, in
// GLSL, and in the languages of "copy as".

export const PROFILES = {
  gaussian: {
    format: "gmjax.GmFace",
    value: (q) => Math.exp(-q),
    // The q beyond which the profile is below eps.
    reach: (eps) => -Math.log(eps),
    glsl: "float profile(float q) { return exp(-q); }",
    numpy: (q) => `np.exp(-(${q}))`,
    latex: (q) => `\\exp\\left(-${q}\\right)`,
    // A call with a minus sign in front of q.
    symbol: "exp",
    sign: "−",
  },
};
