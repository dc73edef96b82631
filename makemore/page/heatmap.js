// The heatmap: a grid of pairs, of which one cell has the keyboard focus.

const DARK_LEVEL = 0.55; // the colour level from which light text has the better contrast
const MAX_LABELLED = 30; // symbols; with more, cells are smaller and have no text
const MAX_HEADER = 12; // characters of a symbol in the headers
const FOLLOWERS = 12; // in each row of the table, which is an alternative to the heatmap

const shownSymbols = data.heatmap.symbols;

function drawHeatmap() {
  const grid = byId("heatmap");
  const longest = largest(shownSymbols.map((symbol) => label(symbol).length));
  grid.style.setProperty("--columns", shownSymbols.length + 1);
  grid.style.setProperty("--longest", Math.min(longest, MAX_HEADER));
  grid.classList.toggle("long", longest > 3);
  byId("heatmap-frame").classList.toggle("many", shownSymbols.length > MAX_LABELLED);
  const corner = element("div", { role: "columnheader", "aria-label": `first ${data.unit}` });
  const heads = shownSymbols.map((symbol) => header("columnheader", symbol));
  grid.append(element("div", { role: "row" }, corner, ...heads));
  shownSymbols.forEach((symbol, i) => {
    const cells = shownSymbols.map((_, j) => heatmapCell(i, j));
    grid.append(element("div", { role: "row" }, header("rowheader", symbol), ...cells));
  });
  cellAt(0, 0).tabIndex = 0;
  grid.addEventListener("mouseover", (event) => readOut(event.target));
  grid.addEventListener("focusin", (event) => keepFocus(event.target));
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
      ? `The ${numbers.format(shown)} most frequent of ${counted(all, data.unit)}. `
      : "";
  const table = data.heatmap.what ? `It shows ${data.heatmap.what}; the model sees more. ` : "";
  return (
    `${which}${table}A row is a ${data.unit}, a column the one that follows; the dot is the start ` +
    `of a word (row) or its end (column). Choose a cell to begin words with its first ${data.unit}.`
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
  cell.classList.toggle("deep", level > DARK_LEVEL);
  cell.classList.toggle("boundary", j === 0);
  cell.classList.toggle("boundary-row", i === 0);
  cell.dataset.i = i;
  cell.dataset.j = j;
  return cell;
}

const cellAt = (i, j) => byId("heatmap").children[i + 1].children[j + 1];

/** Return the text of a cell, in pieces of which every second one is a symbol. */
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

/** Make a cell the one that the Tab key comes back to, and read it out. */
function keepFocus(cell) {
  byId("heatmap").querySelector("[tabindex='0']").tabIndex = -1;
  cell.tabIndex = 0;
  readOut(cell);
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
  if (event.altKey || event.ctrlKey || event.metaKey) return; // the browser's own, such as "back"
  const cell = event.target;
  if (event.key === "Enter" || event.key === " ") beginWithCell(cell);
  else if (event.key in MOVES) {
    const moved = MOVES[event.key](Number(cell.dataset.i), Number(cell.dataset.j));
    cellAt(...moved.map((at) => clamp(at, 0, shownSymbols.length - 1))).focus();
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

