// Watch it learn: trains a bigram in the page, a step a frame.

const WATCHED_WORDS = 5;
const MAX_WATCHED = 60; // characters of a word, because random weights write long ones
const SHADES = 64;
const MIN_LABELLED_CELL = 10; // pixels; smaller cells have no labels
let watched = null; // the descent
let watching = 0; // the id of the requested animation frame, 0 while it is paused

const isWatchable = () => data.model === "bigram" && data.heatmap.N?.length === itos.length;
const rate = () => 10 ** Number(byId("rate").value);

function startWatching() {
  if (!isWatchable()) return;
  byId("watch").hidden = false;
  byId("watch-run").addEventListener("click", () => (watching ? pauseWatching() : runWatching()));
  byId("watch-step").addEventListener("click", () => {
    pauseWatching();
    watchStep();
  });
  byId("watch-reset").addEventListener("click", () => {
    newWatched(crypto.getRandomValues(new Uint32Array(1))[0]);
    reportWatched();
  });
  byId("rate").addEventListener("input", showRate);
  new ResizeObserver(drawWatched).observe(byId("watch-loss"));
  matchMedia("screen and (prefers-color-scheme: dark)").addEventListener("change", drawWatched);
  showRate();
  newWatched(data.seed);
  reportWatched();
}

function newWatched(seed) {
  watched = new Descent(data.heatmap.N, seed);
  drawWatched();
}

function showRate() {
  const shownRate = Number(rate().toPrecision(2));
  byId("rate-shown").textContent = String(shownRate);
  byId("rate").setAttribute("aria-valuetext", String(shownRate));
}

function runWatching() {
  byId("watch-run").textContent = "Pause";
  byId("watch-status").setAttribute("aria-live", "off"); // it changes too often to be read out
  const frame = () => {
    watching = requestAnimationFrame(frame);
    watchStep();
  };
  watching = requestAnimationFrame(frame);
}

function pauseWatching() {
  cancelAnimationFrame(watching);
  watching = 0;
  byId("watch-run").textContent = "Continue";
  byId("watch-status").setAttribute("aria-live", "polite");
  reportWatched();
}

function watchStep() {
  watched.step(rate());
  drawWatched();
  reportWatched();
}

function reportWatched() {
  byId("watch-status").textContent = watchedText();
}

function watchedText() {
  const steps = counted(watched.losses.length - 1, "step");
  return `${steps}, loss ${watched.loss.toFixed(4)} nats per symbol.`;
}

function drawWatched() {
  if (watched === null) return;
  const losses = watched.losses;
  const points = spacedSteps(losses.length).map((step) => [step, losses[step]]);
  const curves = [{ points, name: "training" }];
  drawCurves(byId("watch-loss"), curves, data.losses.minimum, 320, watchedText());
  const words = sample(watched, WATCHED_WORDS, 0, {});
  const items = words.map((ids) =>
    element("li", { dir: "auto" }, shown(decode(ids.slice(0, MAX_WATCHED)))),
  );
  byId("watch-words").replaceChildren(...items);
  drawWatchedTable();
}

/** Return up to MAX_POINTS of the steps below a number, evenly spaced on a logarithmic scale. */
function spacedSteps(steps) {
  const spaced = Array.from({ length: MAX_POINTS }, (_, k) =>
    Math.round(steps ** (k / (MAX_POINTS - 1))),
  );
  return [...new Set(spaced)].map((step) => step - 1);
}

function drawWatchedTable() {
  const canvas = byId("watch-table");
  const { P, V } = watched;
  const scale = devicePixelRatio;
  const size = Math.max(1, Math.floor((canvas.clientWidth * scale) / (V + 1)));
  [canvas.width, canvas.height] = [size * (V + 1), size * (V + 1)];
  const context = canvas.getContext("2d");
  const style = getComputedStyle(canvas);
  const colour = (name) => style.getPropertyValue(name);
  const shades = Array.from(
    { length: SHADES + 1 },
    (_, k) =>
      `color-mix(in oklab, ${colour("--less")}, ${colour("--more")} ${(100 * k) / SHADES}%)`,
  );
  P.forEach((row, i) =>
    row.forEach((p, j) => {
      context.fillStyle = shades[Math.round(SHADES * Math.sqrt(p))];
      context.fillRect((j + 1) * size, (i + 1) * size, size - 1, size - 1);
    }),
  );
  canvas.setAttribute("aria-label", `Probabilities of all pairs after ${watchedText()}`);
  if (size < MIN_LABELLED_CELL * scale) return; // the order is that of the heatmap above
  context.fillStyle = colour("--quiet");
  context.font = `${Math.round(size * 0.7)}px sans-serif`;
  [context.textAlign, context.textBaseline] = ["center", "middle"];
  for (let k = 0; k < V; k += 1) {
    context.fillText(label(k), size * (k + 1.5), size / 2, size);
    context.fillText(label(k), size / 2, size * (k + 1.5), size);
  }
}
