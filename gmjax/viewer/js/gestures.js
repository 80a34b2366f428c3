// Pointers on the stage: drag, pinch and wheel. Says what they mean in CSS pixels of the stage; knows nothing of models.

const TAP = 5; // how far a pointer may move in a tap

// on: {grasp(x, y, kind of pointer), pan(dx, dy), zoom(factor, x, y), tap(x, y, kind), hover(x, y), leave()}, where grasp returns
// a drag {move(x, y), end()}, or null. wheelNeedsKey: the wheel zooms with Ctrl only, and scrolls the page otherwise, of
// which on.scroll() tells.
export function listenToPointers(stage, on, wheelNeedsKey) {
  const pointers = new Map();
  let drag = null,
    began = null,
    last = null;

  const place = (event) => {
    const box = stage.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  const spread = () => {
    const [[ax, ay], [bx, by]] = pointers.values();
    return { x: (ax + bx) / 2, y: (ay + by) / 2, distance: Math.max(1, Math.hypot(ax - bx, ay - by)) };
  };

  stage.addEventListener("pointerdown", (event) => {
    if (event.pointerType === "mouse" && event.button !== 0) return;
    stage.focus({ preventScroll: true });
    stage.setPointerCapture(event.pointerId);
    const [x, y] = place(event);
    pointers.set(event.pointerId, [x, y]);
    if (pointers.size === 1) {
      began = [x, y];
      drag = on.grasp(x, y, event.pointerType);
    } else {
      drag?.end();
      on.leave();
      drag = began = null;
      last = pointers.size === 2 ? spread() : null;
    }
  });

  stage.addEventListener("pointermove", (event) => {
    const [x, y] = place(event);
    if (!pointers.has(event.pointerId)) return on.hover(x, y);
    const [px, py] = pointers.get(event.pointerId);
    pointers.set(event.pointerId, [x, y]);
    if (pointers.size === 2 && last) {
      const now = spread();
      on.pan(now.x - last.x, now.y - last.y);
      on.zoom(now.distance / last.distance, now.x, now.y);
      last = now;
    } else if (pointers.size === 1) {
      if (began && Math.hypot(x - began[0], y - began[1]) <= TAP) return pointers.set(event.pointerId, [px, py]);
      if (began) on.leave();
      began = null;
      if (drag) drag.move(x, y);
      else on.pan(x - px, y - py);
    }
  });

  const release = (event) => {
    if (!pointers.delete(event.pointerId)) return;
    drag?.end();
    if (began && event.type === "pointerup") on.tap(...began, event.pointerType);
    drag = began = null;
  };
  stage.addEventListener("pointerup", release);
  stage.addEventListener("pointercancel", release);
  stage.addEventListener("pointerleave", () => on.leave());

  stage.addEventListener(
    "wheel",
    (event) => {
      const withKey = event.ctrlKey || event.metaKey;
      if (wheelNeedsKey && !withKey) return on.scroll();
      event.preventDefault();
      // A pinch on a touchpad arrives as small steps of the wheel with Ctrl, a turn of the wheel as large ones.
      const step = event.deltaY * (event.deltaMode === 1 ? 16 : 1),
        small = withKey && Math.abs(step) < 50;
      const [x, y] = place(event);
      on.zoom(Math.exp(-step * (small ? 0.01 : 0.0015)), x, y);
      if (!pointers.size) on.hover(x, y);
    },
    { passive: false },
  );
}
