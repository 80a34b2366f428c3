// The profile of a component as a function of q = |L^T (x - mu)|^2. The only place that knows it: in JavaScript, in
// GLSL, and in the languages of "copy as".

export const PROFILES = {
  gaussian: {
    noun: "two-dimensional Gaussians",
    value: (q) => Math.exp(-q),
    // The q beyond which the profile is below eps.
    reach: (eps) => -Math.log(eps),
    glsl: "exp(-q)",
    numpy: "np.exp(-q)",
    latex: (q) => `\\exp\\bigl(-${q}\\bigr)`,
    // A call with a minus sign in front of q.
    symbol: "exp",
    sign: "−",
  },
};
