// What is looked at and edited: the model on show with its history, the chosen component, and which components take part.

import { orderByIds, orderByWeight, size } from "./formula.js";

const MOST_STEPS = 200;

export function decoded({ name, profile, channels, offset, weights, means, precision_chol, order_by_error, about }) {
  const numbers = (text) =>
    Float64Array.from(new Float32Array(Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)).buffer));
  const model = {
    profile,
    channels,
    offset,
    weights: numbers(weights),
    means: numbers(means),
    chol: numbers(precision_chol),
  };
  model.ids = Array.from({ length: model.means.length / 2 }, (_, i) => i);
  return { name, model, orderByError: order_by_error, about };
}

// frame: how the whole was moved since the model was fitted, as a map x -> B x + t.
export function createSession(sources, frames) {
  const listeners = new Set();
  let steps,
    at,
    waiting = false;
  const session = {
    sources,
    source: 0,
    chosenId: null,
    hovered: null,
    order: "weight",
    count: null,
    start,
    preview,
    commit,
    edit(model, frame = session.frame) {
      preview(model, frame);
      commit();
    },
    undo: () => go(-1),
    redo: () => go(1),
    canUndo: () => at > 0,
    canRedo: () => at < steps.length - 1,
    choose,
    hover(i) {
      if (i !== session.hovered) {
        session.hovered = i;
        changed();
      }
    },
    get chosen() {
      const i = session.model.ids.indexOf(session.chosenId);
      return i < 0 ? null : i;
    },
    get shown() {
      return session.chosen ?? session.hovered;
    },
    set,
    ranking,
    active,
    onChange(listener) {
      listeners.add(listener);
    },
    changed,
    isSettled: () => !waiting,
  };

  // Shows one of the sources as it was.
  function start(source) {
    session.source = source;
    session.edit(sources[source].model, frames[source]);
  }

  const now = () => ({ model: session.model, frame: session.frame, source: session.source });

  // Shows a model for now, as while something is dragged; commit makes it a step of the history.
  function preview(model, frame = session.frame) {
    if (size(model) !== size(session.model)) session.hovered = null;
    Object.assign(session, { model, frame });
    changed();
  }

  function commit() {
    if (session.model === steps[at].model && session.source === steps[at].source) return;
    steps = [...steps.slice(0, at + 1), now()].slice(-MOST_STEPS);
    at = steps.length - 1;
    changed();
  }

  function go(way) {
    commit();
    if (!steps[at + way]) return;
    at += way;
    session.source = steps[at].source;
    preview(steps[at].model, steps[at].frame);
  }

  function choose(i) {
    session.chosenId = i === null ? null : session.model.ids[i];
    changed();
  }

  function set(values) {
    Object.assign(session, values);
    changed();
  }

  function ranking() {
    const known = sources[session.source].orderByError;
    return session.order === "error" && known ? orderByIds(session.model, known) : orderByWeight(session.model);
  }

  function active() {
    const all = session.model.ids.map((_, i) => i);
    return session.count === null || session.count >= all.length ? all : ranking().slice(0, session.count);
  }

  // Tells everybody, once a frame.
  function changed() {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      listeners.forEach((listener) => listener());
    });
  }

  Object.assign(session, { model: sources[0].model, frame: frames[0] });
  steps = [now()];
  at = 0;
  return session;
}
