// What is looked at and edited: the model on show with its history, the chosen component, and which components take part.
//
// place: which of the sources is on show; between two integers it is a mixture. kept: each source as it was edited.
// start: the model on show before it was edited. whole: how the whole picture was moved since, with the state before.

import { orderByIds, orderByWeight, size } from "./formula.js";

const MOST_STEPS = 200;

export function decoded({ name, profile, channels, offset, order_by_error, about, ...tensors }) {
  const numbers = (text) =>
    Float64Array.from(new Float32Array(Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)).buffer));
  const model = {
    profile,
    channels,
    offset,
    weights: numbers(tensors.weights),
    means: numbers(tensors.means),
    chol: numbers(tensors.precision_chol),
    parameters: numbers(tensors.parameters),
  };
  model.ids = Array.from({ length: model.means.length / 2 }, (_, i) => i);
  return { name, model, orderByError: order_by_error, about };
}

const STATE = ["model", "frame", "start", "whole", "place", "kept"];

// frame: how the whole was moved since the model was fitted, as a map x -> B x + t.
export function createSession(sources, frames) {
  const listeners = new Set(),
    saved = new WeakSet();
  let steps,
    at,
    waiting = false;
  const session = {
    sources,
    chosenId: null,
    hovered: null,
    order: "weight",
    count: null,
    show,
    preview,
    commit,
    edit(model) {
      preview(model);
      commit();
    },
    get name() {
      const [first, part] = [Math.floor(session.place), Math.round(100 * (session.place % 1))];
      const { name } = sources[first];
      return part ? `${name} ${100 - part} % + ${sources[first + 1].name} ${part} %` : name;
    },
    // The source on show; null for a mixture.
    get source() {
      return sources[session.place] ?? null;
    },
    isEdited: () => session.model !== session.start,
    hasEdits: (source) => session.kept[source].model !== sources[source].model,
    // Whether an edit would be lost with the page.
    isUnsaved: () =>
      [session, ...session.kept].some(({ model, start }) => model !== start && !saved.has(model)),
    markSaved: () => saved.add(session.model),
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

  const now = () => Object.fromEntries(STATE.map((name) => [name, session[name]]));

  function put(state) {
    if (size(state.model) !== size(session.model)) session.hovered = null;
    Object.assign(session, state);
    changed();
  }

  // Shows one of the sources as it was edited, or a mixture {model, frame} of two. For now: commit makes what is on show
  // a step of the history.
  function show(place, mixture = null) {
    put(mixture ? { ...mixture, start: mixture.model, whole: null, place } : { ...session.kept[place], place });
  }

  // Shows an edited model for now, as while something is dragged.
  function preview(model, frame = session.frame, whole = null) {
    put({ model, frame, whole });
  }

  // Successive steps of the same key, as those of one slider, become one.
  function commit(key = null) {
    const { state: last, key: lastKey } = steps[at];
    if (session.model === last.model && session.place === last.place) return;
    const { model, frame, start, whole, place } = session;
    session.kept = session.kept.map((one, n) => (n === place ? { model, frame, start, whole } : one));
    const count = key !== null && key === lastKey ? at : at + 1;
    steps = [...steps.slice(0, count), { state: now(), key }].slice(-MOST_STEPS);
    at = steps.length - 1;
    changed();
  }

  function go(way) {
    commit();
    if (!steps[at + way]) return;
    at += way;
    put(steps[at].state);
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
    const known = session.source?.orderByError;
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

  const kept = sources.map(({ model }, n) => ({ model, frame: frames[n], start: model, whole: null }));
  Object.assign(session, { ...kept[0], place: 0, kept });
  steps = [{ state: now(), key: null }];
  at = 0;
  return session;
}
