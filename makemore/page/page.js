// What is seen and touched. Texts from the checkpoint reach the page as texts only; the page's
// security policy (trusted types) would stop any other way.

const SVG = "http://www.w3.org/2000/svg";
const MOST_SURPRISE = 7; // nats at which the colour is full: a symbol expected once in 1,100
const MOST_WORDS = 1000;
const MOST_SEED = 2 ** 32 - 1;
const DEEP = 0.55; // the colour level from which the light text is the better legible one
const MOST_LABELLED = 45; // symbols in the heatmap: with more, a cell is too small for its letters
const FOLLOWERS = 12; // in each row of the table that stands for the heatmap

const byId = (id) => document.getElementById(id);
const field = Object.fromEntries(
  ["prefix", "temperature", "count", "seed", "word"].map((name) => [name, byId(name)]),
);
const data = JSON.parse(byId("data").textContent);
const itos = ["", ...data.characters]; // by code points, as in Python
const stoi = new Map(itos.map((character, id) => [character, id]));
stoi.delete("");
const numbers = new Intl.NumberFormat("en-GB");
let automaton = null;

/** Return a new element with attributes, and with children that are elements or texts. */
function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

/** Return text with escapes for what does not print, as Python's errors.shown does. */
function shown(text) {
  return text.replace(/[\p{C}\p{Zl}\p{Zp}]|(?! )\p{Zs}/gu, (character) => {
    const code = character.codePointAt(0);
    if (code < 0x100) return "\\x" + code.toString(16).padStart(2, "0");
    if (code < 0x10000) return "\\u" + code.toString(16).padStart(4, "0");
    return "\\U" + code.toString(16).padStart(8, "0");
  });
}

/** Return how a symbol is written where it stands alone. */
function label(symbol) {
  if (symbol === BOUNDARY) return ".";
  const character = itos[symbol];
  if (character === " ") return "\u2423"; // a space would not be seen
  if (character === ".") return "'.'"; // it is not the boundary
  return /\p{M}/u.test(character) ? "\u25cc" + character : shown(character); // on a dotted circle
}

/** Return a probability in per cent, with three digits that count. */
function percent(p) {
  if (p === 0) return "0 %";
  return p < 1e-6 ? `${(p * 100).toExponential(1)} %` : `${Number((p * 100).toPrecision(3))} %`;
}

const encode = (text) => [...text].map((character) => stoi.get(character));
const decode = (ids) => ids.map((id) => itos[id]).join("");

// ---- the settings, which stand in the page and in its address ----

const clamp = (value, low, high) => Math.min(high, Math.max(low, value));

/** Return the number in a text, or the other one where there is none, within its range. */
function numberIn(text, otherwise, low, high) {
  const value = text === null || text.trim() === "" ? NaN : Number(text);
  return Number.isFinite(value) ? clamp(value, low, high) : otherwise;
}

function settings() {
  return {
    count: Math.trunc(numberIn(field.count.value, 20, 1, MOST_WORDS)),
    temperature: numberIn(field.temperature.value, 1, 0, 2),
    prefix: field.prefix.value,
    seed: Math.trunc(numberIn(field.seed.value, 0, 0, MOST_SEED)),
    word: field.word.value,
  };
}

/** Fill the fields from the address; what it does not name gets its first value. */
function readAddress() {
  const asked = new URLSearchParams(location.hash.slice(1));
  field.count.value = Math.trunc(numberIn(asked.get("count"), 20, 1, MOST_WORDS));
  field.temperature.value = numberIn(asked.get("temperature"), 1, 0, 2);
  field.prefix.value = asked.get("prefix") ?? "";
  field.seed.value = Math.trunc(numberIn(asked.get("seed"), data.seed, 0, MOST_SEED));
  field.word.value = asked.get("word") ?? "";
}

function writeAddress() {
  const wanted = Object.entries(settings()).filter(([, value]) => value !== "");
  history.replaceState(null, "", "#" + new URLSearchParams(wanted));
}

// ---- the generator ----

function makeWords() {
  const { count, temperature, prefix, seed } = settings();
  const unknown = [...prefix].find((character) => !stoi.has(character));
  const options = { temperature, prefix: encode(prefix) };
  const words = unknown === undefined ? sample(automaton, count, seed, options) : [];
  const isWhole = words.length === count;
  const kinds = new Set(words.map(decode)).size;
  byId("temperature-shown").textContent = String(temperature);
  byId("words").replaceChildren(...words.map(wordItem));
  byId("make-problem").textContent = isWhole ? "" : missingText(unknown, prefix);
  byId("make-status").textContent = isWhole
    ? `${numbers.format(count)} words, ${numbers.format(kinds)} different, seed ${seed}.`
    : "";
  field.prefix.setAttribute("aria-invalid", String(!isWhole));
}

/** Return why there are fewer words than were asked for. */
function missingText(unknown, prefix) {
  if (unknown !== undefined) {
    const many = numbers.format(itos.length - 1);
    return `\u201c${shown(unknown)}\u201d is not among the ${many} characters that were learnt.`;
  }
  const such = prefix ? ` that begins with \u201c${shown(prefix)}\u201d` : "";
  return `At this temperature the model comes to the end of no word${such}.`;
}

function wordItem(ids) {
  const word = decode(ids);
  const text = element("span", { dir: "auto" }, shown(word));
  const button = element("button", { type: "button" }, text);
  button.addEventListener("click", () => {
    field.word.value = word;
    scoreWord();
    writeAddress();
    if (!isInView(byId("tiles"))) field.word.scrollIntoView({ block: "center" });
  });
  return element("li", {}, button);
}

function isInView(part) {
  const { top, bottom } = part.getBoundingClientRect();
  return top >= 0 && bottom <= innerHeight;
}

function makeMore() {
  field.seed.value = crypto.getRandomValues(new Uint32Array(1))[0] % 1000000; // short in a link
  makeWords();
  writeAddress();
}

async function copy(text, what) {
  let done = true;
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    done = copyBySelection(text); // where a page from a disk may not use the clipboard
  }
  byId("make-status").textContent = done ? `${what} copied.` : "The browser did not let me copy.";
}

function copyBySelection(text) {
  const back = document.activeElement;
  const area = element("textarea", { readonly: "" });
  area.value = text;
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  back?.focus();
  return done;
}

/** Return the words as they are shown: escapes, and so nothing that a terminal would obey. */
function wordsAsText() {
  return [...byId("words").children].map((item) => item.textContent + "\n").join("");
}

// ---- the scorer ----

function scoreWord() {
  const characters = [...field.word.value];
  const unknown = characters.findIndex((character) => !stoi.has(character));
  const scored = unknown < 0 ? characters : characters.slice(0, unknown);
  const ids = scored.map((character) => stoi.get(character));
  const nats = surprises(automaton, ids);
  if (unknown >= 0) nats.pop(); // the end was not reached
  const tiles = nats.map((surprise, t) => scoreTile(ids, t, surprise));
  tiles.push(...characters.slice(scored.length).map(unscoredTile));
  const isEmpty = characters.length === 0;
  byId("tiles").replaceChildren(...(isEmpty ? [] : tiles));
  byId("score-status").textContent = isEmpty ? "" : scoreText(characters[unknown], nats);
}

function scoreTile(ids, t, nats) {
  const symbol = t < ids.length ? ids[t] : BOUNDARY;
  const before = t === 0 ? "at the start" : `after ${label(ids[t - 1])}`;
  const name = symbol === BOUNDARY ? "end" : label(symbol);
  const tile = element(
    "li",
    { title: `${name} ${before}: probability ${percent(exp(-nats))}` },
    element("b", {}, name),
    element("span", {}, Number.isFinite(nats) ? nats.toFixed(2) : "\u221e"),
  );
  tile.classList.toggle("end", symbol === BOUNDARY);
  tile.style.setProperty("--surprise", Math.min(1, nats / MOST_SURPRISE));
  return tile;
}

function unscoredTile(character) {
  const what = stoi.has(character) ? "not scored" : "not learnt";
  return element(
    "li",
    { class: "unknown" },
    element("b", {}, shown(character)),
    element("span", {}, what),
  );
}

function scoreText(unknown, nats) {
  if (unknown !== undefined) {
    return `The model has never seen \u201c${shown(unknown)}\u201d, so the word has no score.`;
  }
  const total = nats.reduce((sum, x) => sum + x, 0);
  const mean = total / nats.length;
  if (!Number.isFinite(mean)) return "The model can never write this word: a step is impossible.";
  const typical = data.losses.training;
  const than = mean > typical ? "more surprising" : "more ordinary";
  return (
    `${total.toFixed(2)} nats in all, ${mean.toFixed(2)} per symbol: ${than} than the words it ` +
    `learnt from, which take ${typical.toFixed(2)}.`
  );
}

// ---- the heatmap: a grid of pairs with one place for the keyboard ----

const shownSymbols = data.heatmap.symbols;

function drawHeatmap() {
  const grid = byId("heatmap");
  grid.style.setProperty("--columns", shownSymbols.length + 1);
  grid.classList.toggle("many", shownSymbols.length > MOST_LABELLED);
  const corner = element("div", { role: "columnheader", "aria-label": "first character" });
  const heads = shownSymbols.map((symbol) => header("columnheader", symbol));
  grid.append(element("div", { role: "row" }, corner, ...heads));
  shownSymbols.forEach((symbol, i) => {
    const cells = shownSymbols.map((_, j) => heatmapCell(i, j));
    grid.append(element("div", { role: "row" }, header("rowheader", symbol), ...cells));
  });
  cellAt(0, 0).tabIndex = 0;
  grid.addEventListener("mouseover", (event) => readOut(event.target));
  grid.addEventListener("focusin", (event) => readOut(event.target));
  grid.addEventListener("click", (event) => beginWithCell(event.target));
  grid.addEventListener("keydown", moveInHeatmap);
  byId("heatmap-note").textContent = heatmapNote();
  drawLegend();
  byId("pairs").addEventListener("toggle", drawPairs, { once: true });
}

function heatmapNote() {
  const [shown, all] = [shownSymbols.length - 1, itos.length - 1];
  const which =
    shown < all
      ? `The ${numbers.format(shown)} most frequent of ${numbers.format(all)} characters. `
      : "";
  const level = data.context_length > 1 ? "Pairs only: the model itself looks further back. " : "";
  return (
    `${which}${level}A row is a character, a column the one that follows; the dot is the start ` +
    "of a word (row) or its end (column). Choose a cell to begin words with its first character."
  );
}

function header(role, symbol) {
  const starts = role === "rowheader";
  const name = symbol === BOUNDARY ? (starts ? "start" : "end") : label(symbol);
  return element("div", { role, "aria-label": name }, label(symbol));
}

function heatmapCell(i, j) {
  const cell = element("div", { role: "gridcell", tabindex: "-1" });
  const level = Math.sqrt(data.heatmap.P[i][j]);
  const pair = label(shownSymbols[i]) + label(shownSymbols[j]);
  cell.textContent = pair.length <= 4 ? pair : ""; // escapes are too long for a cell
  cell.setAttribute("aria-label", cellText(i, j).join(""));
  cell.style.setProperty("--level", level);
  cell.classList.toggle("deep", level > DEEP);
  cell.classList.toggle("boundary", j === 0);
  cell.classList.toggle("boundary-row", i === 0);
  cell.dataset.i = i;
  cell.dataset.j = j;
  return cell;
}

const cellAt = (i, j) => byId("heatmap").children[i + 1].children[j + 1];

/** Return what a cell says, in pieces of which every second one is a symbol. */
function cellText(i, j) {
  const [first, second] = [label(shownSymbols[i]), label(shownSymbols[j])];
  const { P, N } = data.heatmap;
  const often = N ? `, seen ${numbers.format(N[i][j])} ${N[i][j] === 1 ? "time" : "times"}` : "";
  const numbersText = `: ${percent(P[i][j])}${often}`;
  if (i === 0 && j === 0) return ["an empty word", "", numbersText];
  if (i === 0) return ["a word begins with ", second, numbersText];
  if (j === 0) return ["", first, ` ends the word${numbersText}`];
  return ["", first, " is followed by ", second, numbersText];
}

function readOut(cell) {
  if (cell.role !== "gridcell") return;
  const [i, j] = [Number(cell.dataset.i), Number(cell.dataset.j)];
  const pieces = cellText(i, j).map((text, k) => (k % 2 ? element("b", {}, text) : text));
  byId("readout").replaceChildren(...pieces);
  for (const lit of byId("heatmap").querySelectorAll(".lit")) lit.classList.remove("lit");
  cellAt(i, -1).classList.add("lit");
  cellAt(-1, j).classList.add("lit");
}

function beginWithCell(cell) {
  if (cell.role !== "gridcell") return;
  const [i, j] = [Number(cell.dataset.i), Number(cell.dataset.j)];
  // In the row of the start the pair's first character is the one in the column.
  field.prefix.value = itos[shownSymbols[i === 0 ? j : i]];
  makeWords();
  writeAddress();
}

const MOVES = {
  ArrowUp: (i, j) => [i - 1, j],
  ArrowDown: (i, j) => [i + 1, j],
  ArrowLeft: (i, j) => [i, j - 1],
  ArrowRight: (i, j) => [i, j + 1],
  PageUp: (_, j) => [0, j],
  PageDown: (_, j) => [Infinity, j],
  Home: (i) => [i, 0],
  End: (i) => [i, Infinity],
};

function moveInHeatmap(event) {
  const cell = event.target;
  if (event.key === "Enter" || event.key === " ") beginWithCell(cell);
  else if (event.key in MOVES) {
    const moved = MOVES[event.key](Number(cell.dataset.i), Number(cell.dataset.j));
    const next = cellAt(...moved.map((at) => clamp(at, 0, shownSymbols.length - 1)));
    cell.tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
  } else return;
  event.preventDefault();
}

function drawLegend() {
  const ticks = [0, 0.01, 0.05, 0.2, 0.5, 1].map((p) => {
    const tick = element("span", {}, String(p * 100));
    tick.style.setProperty("--level", Math.sqrt(p));
    return tick;
  });
  ticks.at(-1).textContent += " %";
  byId("legend-scale").append(...ticks);
}

function drawPairs() {
  const rows = shownSymbols.map((symbol, i) => {
    const P = data.heatmap.P[i];
    const order = [...P.keys()].sort((a, b) => P[b] - P[a] || a - b);
    const likeliest = order.slice(0, FOLLOWERS).filter((j) => P[j] > 0);
    const followers = likeliest.flatMap((j) => {
      const name = shownSymbols[j] === BOUNDARY ? "end" : label(shownSymbols[j]);
      const share = ` ${Number((P[j] * 100).toPrecision(3))}`;
      return [element("span", {}, element("b", {}, name), share), " "];
    });
    const name = symbol === BOUNDARY ? "start" : label(symbol);
    return element(
      "tr",
      {},
      element("th", { scope: "row" }, name),
      element("td", {}, ...followers),
    );
  });
  byId("pairs-rows").replaceChildren(...rows);
}

// ---- the loss curve ----

function svgElement(name, attributes, text = "") {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.textContent = text;
  return made;
}

function drawLoss() {
  const { curve, minimum } = data.losses;
  byId("loss-note").textContent = lossNote();
  if (curve.length < 2) return;
  const scales = lossScales(Math.max(280, byId("loss").clientWidth), 300);
  const { x, y, width, height } = scales;
  const picture = svgElement("svg", { viewBox: `0 0 ${width} ${height}`, role: "img" });
  picture.setAttribute("aria-label", lossNote());
  picture.append(...lossAxes(scales));
  if (minimum !== null) picture.append(...minimumLine(minimum, scales));
  const points = curve.map(([step, loss]) => `${x(step).toFixed(1)},${y(loss).toFixed(1)}`);
  picture.append(svgElement("polyline", { class: "curve", points: points.join(" ") }));
  byId("loss").replaceChildren(picture);
}

/** Return where steps (logarithmic, the first is 1) and losses stand, in units of the picture. */
function lossScales(width, height) {
  const { curve, minimum } = data.losses;
  const [left, right, top, bottom] = [40, width - 12, 28, height - 40];
  const losses = curve.map(([, loss]) => loss).concat(minimum ?? []);
  const [low, high] = [Math.min(...losses), Math.max(...losses)];
  const steps = curve.at(-1)[0] + 1;
  const floor = bottom - 22; // below it is room for the words on the minimum
  return {
    ...{ width, height, left, right, bottom, low, high, steps },
    x: (step) => left + ((right - left) * Math.log(step + 1)) / Math.log(steps),
    y: (loss) => floor - ((floor - top) * (loss - low)) / (high - low || 1),
  };
}

function lossAxes({ x, y, height, left, right, bottom, low, high, steps }) {
  const text = (words, x, y, anchor) => svgElement("text", { x, y, "text-anchor": anchor }, words);
  const axes = [
    text("nats per symbol", 0, 12, "start"),
    text("step, on a log scale", right, height - 4, "end"),
  ];
  for (const loss of niceTicks(low, high)) {
    axes.push(svgElement("line", { class: "grid", x1: left, x2: right, y1: y(loss), y2: y(loss) }));
    axes.push(text(loss.toFixed(1), left - 8, y(loss) + 4, "end"));
  }
  for (let step = 1; step <= steps; step *= 10) {
    axes.push(text(numbers.format(step), x(step - 1), bottom + 18, "middle"));
  }
  return axes;
}

function minimumLine(minimum, { y, left, right }) {
  const text = `closed-form minimum ${minimum.toFixed(4)}`;
  const at = y(minimum);
  return [
    svgElement("line", { class: "minimum", x1: left, x2: right, y1: at, y2: at }),
    svgElement("text", { class: "minimum-text", x: left + 6, y: at + 15 }, text),
  ];
}

/** Return about five round numbers between two. */
function niceTicks(low, high) {
  const rough = (high - low || 1) / 6;
  const size = 10 ** Math.floor(Math.log10(rough));
  const step = Math.max(0.1, size * [1, 2, 5, 10].find((factor) => factor * size >= rough));
  const ticks = [];
  for (let k = Math.ceil(low / step); k * step <= high; k += 1) ticks.push(k * step);
  return ticks;
}

function lossNote() {
  const { curve, training, minimum } = data.losses;
  const least = minimum === null ? "" : `; no such model can come below ${minimum.toFixed(4)}`;
  const reached = `${training.toFixed(4)} nats per symbol${least}.`;
  if (curve.length < 2) return `Its probabilities were counted, without steps: ${reached}`;
  const [steps, from] = [numbers.format(curve.at(-1)[0] + 1), curve[0][1].toFixed(4)];
  return `In ${steps} steps of gradient descent the loss fell from ${from} to ${reached}`;
}

// ---- all of it ----

function drawFacts() {
  for (const [title, facts] of Object.entries(data.facts)) {
    const list = element("dl");
    for (const [name, value] of Object.entries(facts)) {
      list.append(element("dt", {}, name), element("dd", {}, element("bdi", {}, shown(value))));
    }
    byId("facts").append(element("div", {}, element("h3", {}, title), list));
  }
}

function drawTitle() {
  byId("corpus").textContent = shown(data.corpus);
  document.title = `makemore: more words like those in ${shown(data.corpus)}`;
  const back = data.context_length === 1 ? "one symbol" : `${data.context_length} symbols`;
  byId("lead").textContent =
    `The ${shown(data.model)} model read ${numbers.format(data.words)} words and learnt which ` +
    `character follows which, looking back ${back}. It makes new words one character at a time.`;
}

function applyAddress() {
  readAddress();
  makeWords();
  scoreWord();
}

function listen() {
  for (const name of ["prefix", "temperature", "count", "seed"]) {
    field[name].addEventListener("input", () => {
      makeWords();
      writeAddress();
    });
  }
  field.word.addEventListener("input", () => {
    scoreWord();
    writeAddress();
  });
  byId("more").addEventListener("click", makeMore);
  byId("copy-words").addEventListener("click", () => copy(wordsAsText(), "Words"));
  byId("copy-link").addEventListener("click", () => {
    writeAddress();
    copy(location.href, "Link");
  });
  addEventListener("hashchange", applyAddress);
  new ResizeObserver(drawLoss).observe(byId("loss"));
}

async function start() {
  drawTitle();
  drawHeatmap();
  drawLoss();
  drawFacts();
  automaton = new Automaton(itos.length, await unpackArcs(data.automaton));
  listen();
  applyAddress();
  document.documentElement.dataset.ready = "";
}

start().catch((error) => {
  byId("problem").textContent =
    `The page could not start: ${error.message}. Browsers of 2023 and later can.`;
});
