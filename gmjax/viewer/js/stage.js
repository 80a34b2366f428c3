// The stage: the picture, what lies over it, and what pointers do there.

import { componentOf, withComponent } from "./formula.js";
import { h } from "./dom.js";
import { listenToPointers } from "./gestures.js";
import { moved, pulled } from "./moves.js";
import { componentAt, drawOverlay, ellipseOf, handleAt, strongestAt } from "./overlay.js";
import { plainFloats, plainPainter } from "./plain.js";
import { cameraOf, meshOf, surfaceWindow } from "./surface.js";
import { webglPainter } from "./webgl.js";
import { fromStage, gridWindow, toStage, viewWindow } from "./windows.js";

const SLOW = 40; // milliseconds that a drawing may take while something moves
const REST = 160; // milliseconds until it is drawn with all pixels
const HINT = 1500; // milliseconds that a hint stays
const NEAR = 4; // sides of the picture: how far from it a component is still looked for
const MOST_PIXELS = 2 ** 22;
// In CSS pixels: how far from a handle it can be grasped, and how far from the centre the other handles are at least.
const GRASP = { mouse: { reach: 10, least: 14 }, touch: { reach: 22, least: 36 } };

// looks: {look: formula, difference, picture or surface, ellipses, gain}, which the caller changes before invalidate().
export function createStage(session, { shape, looks, colors, wheelNeedsKey }) {
  const canvas = h("canvas", { class: "picture" }),
    over = h("canvas", { class: "over" });
  const tag = h("div", { class: "tag", "aria-hidden": "true" }),
    wheelHint = h("div", { class: "wheel-hint", hidden: true }, "Ctrl + wheel zooms (⌘ on a Mac)");
  const element = h(
    "div",
    {
      class: "stage",
      tabindex: "0",
      role: "application",
      "aria-roledescription": "picture",
      "aria-label":
        "The picture that the formula draws. Arrow keys move the view, plus and minus zoom, brackets choose " +
        "components; question mark shows all keys.",
    },
    canvas,
    over,
    tag,
    wheelHint,
  );
  const { profile, offset } = session.model;
  const painter =
    webglPainter(canvas, profile, () => {
      busy = false;
      drawn = {};
      invalidate();
    }) ?? plainPainter(canvas);
  const view = { center: [0.5, 0.5], zoom: 1 },
    camera = { turn: -0.5, tilt: 0.75, zoom: 1 };
  let milliseconds = 0,
    height = 1,
    width = 1,
    ratio = 1,
    coarse = 1,
    isHome = true,
    busy = false,
    isLate = false,
    drawn = {},
    mesh = {},
    resting = null,
    hinting = null,
    pointer = null,
    grasping = window.matchMedia("(pointer: coarse)").matches ? GRASP.touch : GRASP.mouse;

  const home = () => Math.min(height / shape[0], width / shape[1]);
  const places = () => ({
    shape,
    zoom: view.zoom / ratio,
    toStage: (position) => toStage(view, shape, offset, height, width, position).map((x) => x / ratio),
  });
  const positionAt = (x, y) => fromStage(view, shape, offset, height, width, [y * ratio, x * ratio]);
  const isSurface = () => looks.look === "surface";

  // ---- drawing

  function draw() {
    element.dataset.look = looks.look;
    over.hidden = isSurface();
    if (isSurface()) return drawSurface();
    const state = [
      session.model,
      session.count,
      session.order,
      looks.look,
      looks.gain,
      height,
      width,
      coarse,
      view.zoom,
      ...view.center,
    ];
    if (state.some((part, n) => part !== drawn[n])) {
      if (busy) {
        isLate = true;
        return drawOver();
      }
      const began = performance.now();
      const pixels = coarse ** -2;
      painter.show(
        session.model,
        session.active(),
        viewWindow(view, shape, offset, height, width, coarse),
        looks.look,
        { gain: looks.gain, shape },
      );
      busy = painter.name === "webgl"; // which cannot be interrupted; the other painter can
      painter.whenDrawn(() => {
        milliseconds = (performance.now() - began) / pixels;
        busy = false;
        if (isLate) session.changed();
        isLate = false;
      });
      if (coarse > 1) later();
      drawn = state;
    }
    drawOver();
  }

  function drawSurface() {
    const indices = session.active(),
      key = [session.model, indices.length, session.order];
    if (key.some((part, n) => part !== mesh.key?.[n])) {
      const window = surfaceWindow(shape, offset);
      mesh = { key, ...meshOf(floatsOf(window), window, session.model.channels) };
    }
    painter.surface(
      mesh,
      cameraOf(camera, width / height),
      colors().back.map((byte) => byte / 255),
      height,
      width,
    );
    drawn = {};
    coarse = 1;
  }

  function drawOver() {
    const corner = (y, x) => [y / ratio, x / ratio];
    const [middle, z] = [toStage(view, shape, 0.5, height, width, [0, 0]), view.zoom];
    const [top, left] = corner(...middle),
      [bottom, right] = corner(middle[0] + shape[0] * z, middle[1] + shape[1] * z);
    const size = { width: width / ratio, height: height / ratio, ratio };
    const options = { ellipses: looks.ellipses, frame: { top, left, bottom, right }, ...grasping };
    options.colors = colors().css;
    over.width = width; // clears it; with clearRect alone some GPU canvases keep parts of the frame before
    drawOverlay(over.getContext("2d"), size, session, places(), options);
  }

  // While the view or the model moves, as coarse as keeps it fluent.
  function invalidate() {
    if (milliseconds > SLOW && !isSurface()) coarse = Math.min(8, Math.ceil(Math.sqrt(milliseconds / SLOW)));
    session.changed();
  }

  function later() {
    clearTimeout(resting);
    resting = setTimeout(() => {
      coarse = 1;
      session.changed();
    }, REST);
  }

  function floatsOf(window) {
    const indices = session.active();
    return painter.floats(session.model, indices, window) ?? plainFloats(session.model, indices, window);
  }

  // ---- the view

  function fit() {
    Object.assign(view, { center: [0.5, 0.5], zoom: home() });
    Object.assign(camera, { turn: -0.5, tilt: 0.75, zoom: 1 });
    isHome = true;
    invalidate();
  }

  function pan(dx, dy) {
    if (isSurface()) {
      camera.turn += dx * 0.01;
      camera.tilt = Math.min(1.55, Math.max(-0.2, camera.tilt + dy * 0.01));
    } else {
      view.center[0] -= (dy * ratio) / (shape[0] * view.zoom);
      view.center[1] -= (dx * ratio) / (shape[1] * view.zoom);
      isHome = false;
    }
    invalidate();
  }

  function zoom(factor, x = width / ratio / 2, y = height / ratio / 2) {
    if (isSurface()) {
      camera.zoom = Math.min(8, Math.max(0.3, camera.zoom * factor));
    } else {
      const before = positionAt(x, y);
      view.zoom = Math.min(home() * 1e6, Math.max(home() * 1e-3, view.zoom * factor));
      const after = positionAt(x, y);
      [0, 1].forEach((k) => {
        view.center[k] += before[k] - after[k];
      });
      isHome = false;
    }
    invalidate();
  }

  // Moves the view to a component that lies outside of it.
  function reveal(i) {
    const { x, y, long } = ellipseOf(session.model, i, places()),
      mean = session.model.means.subarray(2 * i, 2 * i + 2);
    const isSeen = x + long > 0 && y + long > 0 && x - long < width / ratio && y - long < height / ratio;
    if (isSurface() || isSeen || !mean.every((part) => Math.abs(part - 0.5) < NEAR)) return;
    view.center = [...mean];
    isHome = false;
    invalidate();
  }

  function measure() {
    const box = element.getBoundingClientRect();
    if (!box.width || !box.height) return;
    const wanted = window.devicePixelRatio || 1;
    ratio = Math.min(wanted, Math.sqrt(MOST_PIXELS / (box.width * box.height)));
    height = Math.max(1, Math.round(box.height * ratio));
    width = Math.max(1, Math.round(box.width * ratio));
    // On whole device pixels, so that the browser does not resample.
    const snap = (x) => `${Math.round(x * wanted) / wanted - x}px`;
    for (const each of [canvas, over]) {
      Object.assign(each.style, { left: snap(box.left), top: snap(box.top) });
      each.style.width = `${width / ratio}px`;
      each.style.height = `${height / ratio}px`;
    }
    over.width = width;
    over.height = height;
    if (isHome) view.zoom = home();
    drawn = {};
    session.changed();
  }
  const observer = new ResizeObserver(measure);
  observer.observe(element);

  // ---- pointers

  const find = (x, y) => componentAt(session.model, session.active(), places(), x, y);

  const handleOfChosen = (x, y, reach = grasping.reach) =>
    session.chosen === null
      ? null
      : handleAt(ellipseOf(session.model, session.chosen, places()), x, y, reach, grasping.least);

  function grasp(x, y, kind) {
    const i = session.chosen,
      handle = isSurface() ? null : handleOfChosen(x, y, (GRASP[kind] ?? GRASP.mouse).reach);
    if (!handle) return null;
    const model = session.model,
      one = componentOf(model, i),
      from = positionAt(x, y);
    const away = ([row, column]) => [(row - one.mean[0]) * shape[0], (column - one.mean[1]) * shape[1]];
    const length = ([down, right]) => Math.max(Math.hypot(down, right), 1e-9);
    return {
      move(toX, toY) {
        const [row, column] = positionAt(toX, toY);
        const now = away([row, column]),
          isMean = handle === "mean";
        const next = isMean
          ? moved(one, row - from[0], column - from[1])
          : pulled(one, handle, now, length(now) / length(away(from)), shape);
        session.preview(withComponent(model, i, next));
        invalidate();
      },
      end: () => session.commit(),
    };
  }

  const gestures = {
    grasp,
    pan,
    zoom,
    tap(x, y, kind) {
      grasping = GRASP[kind] ?? GRASP.mouse;
      if (!isSurface()) session.choose(find(x, y) ?? strongestAt(session.model, session.active(), positionAt(x, y)));
    },
    hover(x, y) {
      if (isSurface()) return;
      pointer = [x, y];
      session.hover(find(x, y));
      const handle = handleOfChosen(x, y);
      element.style.cursor = handle
        ? handle === "mean"
          ? "move"
          : "crosshair"
        : session.hovered !== null
          ? "pointer"
          : "";
    },
    leave() {
      pointer = null;
      session.hover(null);
    },
    scroll() {
      wheelHint.hidden = false;
      clearTimeout(hinting);
      hinting = setTimeout(() => {
        wheelHint.hidden = true;
      }, HINT);
    },
  };
  listenToPointers(element, gestures, wheelNeedsKey);

  function update(text) {
    draw();
    tag.hidden = !pointer || session.hovered === null || session.hovered === session.chosen || isSurface();
    if (tag.hidden) return;
    tag.textContent = text(session.hovered);
    const [x, y] = pointer,
      left = Math.max(4, Math.min(x + 14, width / ratio - tag.offsetWidth - 4));
    tag.style.transform = `translate(${left}px, ${y < 40 ? y + 16 : y - 34}px)`;
  }

  function destroy() {
    observer.disconnect();
    clearTimeout(resting);
    clearTimeout(hinting);
    painter.destroy();
  }

  return {
    element,
    painter,
    view,
    camera,
    update,
    invalidate,
    fit,
    pan,
    zoom,
    reveal,
    floatsOf,
    destroy,
    drawFloats: (rows, columns) => floatsOf(gridWindow(rows, columns, offset)),
    isSettled: () => !busy && coarse === 1 && !painter.isBusy(),
    forget() {
      drawn = {};
      session.changed();
    },
  };
}
