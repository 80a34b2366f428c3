// How far the formula is from the picture, magnified.

import { h, labelled, section, showText, showValue, slider } from "./dom.js";
import { short } from "./numbers.js";

export function differencePanel(session, { gain, setGain, floats, picture }) {
  const value = h("span", { class: "value" }),
    error = h("p", {
      class: "hint",
      title: "From the picture in this page, which has 8 bits a channel: it may differ a little from metrics.csv",
    });
  const input = slider(0, 6, 0.5, (x) => setGain(2 ** x));
  const element = section(
    "Difference from the picture",
    labelled("magnify", "Mid-gray is no difference; lighter means that the formula is too light", input, value),
    error,
  );
  let measured = null,
    waiting = null;

  function measure() {
    const { height, width, data } = picture(),
      c = Math.max(1, session.model.channels);
    const values = floats(height, width);
    let sum = 0,
      most = 0;
    for (let n = 0; n < height * width; n++) {
      for (let k = 0; k < c; k++) {
        const difference = values[n * c + k] - data[4 * n + k] / 255;
        sum += difference * difference;
        most = Math.max(most, Math.abs(difference));
      }
    }
    const mse = sum / (height * width * c);
    error.textContent = `Mean squared error ${short(mse)} (${short(-10 * Math.log10(mse))} dB), largest ${short(most)}`;
  }

  function update() {
    showValue(input, Math.log2(gain()));
    showText(input, value, `× ${short(gain())}`);
    const key = [session.model, session.count, session.order];
    if (!picture() || (measured && key.every((part, n) => part === measured[n]))) return;
    measured = key;
    clearTimeout(waiting);
    waiting = setTimeout(measure, 200);
  }
  return { element, update, destroy: () => clearTimeout(waiting) };
}
