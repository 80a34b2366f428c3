// The viewer in a notebook, as anywidget calls it: what is edited goes back to Python.

import { createViewer } from "./app.js";

const PAUSE = 150;

export function render({ model, el }) {
  const viewer = createViewer(el, model.get("models"), { ...model.get("options"), wheelNeedsKey: true }),
    { session } = viewer;
  let sent = session.model,
    timer = null;
  session.onChange(() => {
    if (session.model === sent) return;
    clearTimeout(timer);
    timer = setTimeout(send, PAUSE);
  });

  function send() {
    sent = session.model;
    const { weights, means, chol: precision_chol, parameters } = sent,
      tensors = Object.entries({ weights, means, precision_chol, parameters });
    model.set("edited", Object.fromEntries(tensors.map(([name, numbers]) => [name, encoded(numbers)])));
    model.save_changes();
  }

  return () => {
    clearTimeout(timer);
    viewer.destroy();
  };
}

// Float64Array as base64.
function encoded(numbers) {
  const bytes = new Uint8Array(Float64Array.from(numbers).buffer);
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
}
