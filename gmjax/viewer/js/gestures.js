// Pointers on the stage: drag, pinch and wheel. Says what they mean in CSS pixels of the stage; knows nothing of models.

const TAP = 5; // how far a pointer may move in a tap

// on: {grasp(x, y, kind of pointer), pan(dx, dy), zoom(factor, x, y), tap(x, y), hover(x, y), leave()}, where grasp returns
// a drag {move(x, y), end()}, or null.
export function listenToPointers(stage, on) {
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
      began = null;
      if (drag) drag.move(x, y);
      else on.pan(x - px, y - py);
    }
  });

  const release = (event) => {
    if (!pointers.delete(event.pointerId)) return;
    drag?.end();
    if (began && event.type === "pointerup") on.tap(...began);
    drag = began = null;
  };
  stage.addEventListener("pointerup", release);
  stage.addEventListener("pointercancel", release);
  stage.addEventListener("pointerleave", () => on.leave());

  stage.addEventListener(
    "wheel",
    (event) => {
      event.preventDefault();
      const lines = event.deltaMode === 1 ? 16 : 1;
      on.zoom(Math.exp(-event.deltaY * lines * (event.ctrlKey ? 0.01 : 0.0015)), ...place(event));
    },
    { passive: false },
  );
}
