// The page: the viewer of what the page holds, in its body.

import { createViewer } from "./app.js";

const { models, options } = JSON.parse(document.getElementById("gmjax-data").textContent);
window.gmjax = createViewer(document.getElementById("gmjax"), models, options);
