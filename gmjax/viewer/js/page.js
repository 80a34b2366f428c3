// The page: the viewer of what the page holds, in its body.

import { createViewer } from "./app.js";

const { models, options } = JSON.parse(document.getElementById("gmjax-data").textContent);
const viewer = createViewer(document.getElementById("gmjax"), models, options),
  { session } = viewer;
window.gmjax = viewer;

session.onChange(() => {
  document.title = `${session.name} - gmjax`;
});

// Where nothing has the focus, arrows scroll the page.
document.addEventListener("keydown", (event) => {
  if (event.target === document.body && !event.key.startsWith("Arrow")) viewer.press(event);
});

window.addEventListener("beforeunload", (event) => {
  if (session.isUnsaved()) event.preventDefault();
});
