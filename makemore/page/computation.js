// Draws the computation of a symbol's loss as a graph: one-hot, logits, probabilities, loss.

const MAX_ROWS = 32; // symbols of a column, the likeliest ones of a larger alphabet
const ROW = 14; // the height of a symbol, in pixels
const WIDE = 600; // pixels; narrower pictures have no numbers
const MAX_LABEL = 8; // characters of a symbol

let computed = { ids: [], nats: [], step: 0 }; // the scored word and the step that is shown

/** Show the steps of a word; nats holds the surprisals up to the first unknown symbol. */
function showComputation(ids, nats) {
  const mostSurprising = nats.indexOf(largest(nats));
  computed = { ids, nats, step: Math.max(0, mostSurprising) };
  byId("steps").replaceChildren(...nats.map((_, t) => stepButton(ids, t)));
  drawComputation();
}

function stepButton(ids, t) {
  const { name } = stepNames(ids, t);
  const before = t === 0 ? "." : label(ids[t - 1]);
  const button = element("button", { type: "button" }, `${before} \u2192 ${name}`);
  button.addEventListener("click", () => {
    computed.step = t;
    drawComputation();
  });
  return button;
}

/** Return the symbols seen at a step, the logits if there are any, P, and the symbol that came. */
function computationAt(ids, t) {
  const state = wordStates(model, ids.slice(0, t)).at(-1);
  const boundaries = new Array(data.context_length ?? 1).fill(BOUNDARY);
  const history = [...boundaries, ...ids.slice(0, t)];
  return {
    seen: history.slice(-(data.context_length ?? history.length)),
    // JSON has no infinity: of an impossible symbol there is none
    logits:
      data.heatmap.W?.[history.at(-1)].map((logit) => logit ?? -Infinity) ?? model.logits?.(state),
    P: model.probabilities(state),
    came: ids[t] ?? BOUNDARY,
  };
}

function drawComputation() {
  const { ids, nats, step } = computed;
  [...byId("steps").children].forEach((button, t) =>
    button.setAttribute("aria-pressed", String(t === step)),
  );
  byId("computation-note").textContent = computationNote(nats.length > 0);
  const found = nats.length ? computationAt(ids, step) : null;
  byId("computation-text").textContent = found ? computationText(found) : "";
  byId("computation").replaceChildren(...(found ? [computationPicture(found)] : []));
}

function computationNote(hasWord) {
  const start = hasWord
    ? "Each symbol of the word above has a step of its own. Choose one."
    : "Type a word above: each of its symbols has a step of its own.";
  const rest = ` Of the ${numbers.format(itos.length)} symbols the likeliest have a row.`;
  return itos.length > MAX_ROWS ? start + rest : start;
}

function computationText({ seen, logits, P, came }) {
  const { ids, nats, step } = computed;
  const name = (symbol) => (symbol === BOUNDARY ? "the boundary" : quoted(label(symbol)));
  const input =
    seen.length === 1
      ? `The input is a one-hot vector: 1 for ${name(seen[0])}, 0 for all others.`
      : `The input is the last ${seen.length} symbols, boundaries before the word included, each ` +
        "a one-hot vector.";
  const through = data.heatmap.W ? "Times the weights W it is" : `The ${data.model} turns it into`;
  const middle = logits
    ? `${through} a row of logits, and softmax turns these into probabilities.`
    : `The ${data.model} gives each symbol a probability.`;
  const end = came === BOUNDARY ? "The end" : name(came);
  const mean = natsText(nats.reduce((all, x) => all + x, 0) / nats.length);
  const isWhole = nats.length > ids.length; // no symbol is unknown
  const all = `The mean over the ${nats.length} symbols of the word is ${mean}.`;
  return (
    `${input} ${middle} ${end} came, which has ${percent(P[came])}: the loss of this symbol is ` +
    `\u2212log ${Number(P[came].toPrecision(3))} = ${natsText(nats[step])} nats. ` +
    (isWhole ? all : "")
  );
}

/** Return the symbols that have a row: all, or the likeliest, those seen and the one that came. */
function computationRows({ seen, P, came }) {
  const all = [...P.keys()];
  if (all.length <= MAX_ROWS) return all;
  const likeliest = all.toSorted((a, b) => P[b] - P[a]).slice(0, MAX_ROWS - 4);
  return [...new Set([...likeliest, came, ...seen])].toSorted((a, b) => a - b);
}

function computationPicture(found) {
  const rows = computationRows(found);
  const width = Math.max(280, byId("computation").clientWidth);
  const places = computationPlaces(width, rows, Boolean(found.logits));
  const picture = svgElement("svg", {
    viewBox: `0 0 ${width} ${places.bottom + 28}`,
    role: "img",
    "aria-label": computationText(found),
  });
  const band = { x: 0, y: places.y(found.came) - ROW / 2, width: places.P[1], height: ROW, rx: 3 };
  picture.append(
    svgElement("rect", { class: "came", ...band }),
    ...edges(found, rows, places),
    ...inputCells(found, rows, places),
    ...(found.logits ? bars(found.logits, rows, places.logits, places, found.came) : []),
    ...bars(found.P, rows, places.P, places, found.came),
    ...headings(found, places),
    ...lossNode(found, places),
  );
  return picture;
}

/** Return the position of each column as [left, right], and the y of each symbol's middle. */
function computationPlaces(width, rows, hasLogits) {
  const at = (share) => Math.round(share * width);
  const top = 30;
  const order = new Map(rows.map((symbol, row) => [symbol, row]));
  const longest = largest(rows.map((symbol) => shortLabel(symbol).length));
  const labels = Math.max(12, 4 * longest); // the middle of their column
  return {
    ...{ width, top, bottom: top + rows.length * ROW, labels },
    input: [2 * labels + 2, 2 * labels + 2 + ROW],
    logits: [at(0.3), at(0.54)],
    P: hasLogits ? [at(0.61), at(0.8)] : [at(0.4), at(0.8)],
    loss: [at(0.85), width - 1],
    y: (symbol) => top + (order.get(symbol) + 0.5) * ROW,
  };
}

/** Return lines from the seen symbols through the model to each logit and its probability. */
function edges({ seen, logits, came }, rows, { input, logits: middle, P, loss, top, bottom, y }) {
  const target = logits ? middle : P;
  const node = [(input[1] + target[0]) / 2, seen.length === 1 ? y(seen[0]) : (top + bottom) / 2];
  return [
    ...[...new Set(seen)].map((symbol) => svgLine(input[1], y(symbol), ...node, "edge strong")),
    ...rows.map((symbol) => svgLine(...node, target[0], y(symbol), "edge")),
    ...(logits ? rows.map((symbol) => svgLine(middle[1], y(symbol), P[0], y(symbol), "edge")) : []),
    svgLine(P[1], y(came), loss[0], y(came), "edge strong"),
    svgElement("circle", { class: "node", cx: node[0], cy: node[1], r: 4 }),
  ];
}

/** Return the label of a symbol, cut off if it is long. */
function shortLabel(symbol) {
  const whole = [...label(symbol)];
  return whole.length <= MAX_LABEL
    ? whole.join("")
    : whole.slice(0, MAX_LABEL - 1).join("") + "\u2026";
}

function inputCells({ seen, came }, rows, { labels, input, y }) {
  const last = seen.at(-1);
  return rows.flatMap((symbol) => {
    const kind = symbol === last ? "hot" : seen.includes(symbol) ? "warm" : "cold";
    const place = { x: input[0], y: y(symbol) - ROW / 2 + 1, width: ROW, height: ROW - 2, rx: 2 };
    const name = symbol === came ? "strong" : "";
    return [
      svgText(shortLabel(symbol), labels, y(symbol) + 4, "middle", { class: name }),
      svgElement("rect", { class: kind, ...place }),
    ];
  });
}

/** Return a bar from zero for each number, and the number if there is room. */
function bars(values, rows, [left, right], { width, y }, came) {
  const finite = rows.map((symbol) => values[symbol]).filter(Number.isFinite);
  const [low, high] = [Math.min(0, ...finite), Math.max(0, ...finite)];
  const space = width >= WIDE ? 48 : 0;
  const x = (value) => left + ((right - space - left) * (value - low)) / (high - low || 1);
  return rows.flatMap((symbol) => {
    const value = Math.max(low, values[symbol]); // a logit may be -Infinity
    const [from, to] = [Math.min(x(0), x(value)), Math.max(x(0), x(value))];
    const place = { x: from, y: y(symbol) - ROW / 2 + 2, width: to - from, height: ROW - 4 };
    const kind = `bar ${value < 0 ? "negative" : "positive"}${symbol === came ? " strong" : ""}`;
    const number = svgText(shortNumber(values[symbol]), right, y(symbol) + 4, "end");
    return [svgElement("rect", { class: kind, ...place }), ...(space ? [number] : [])];
  });
}

/** Return the text of a number beside a bar. */
function shortNumber(value) {
  if (!Number.isFinite(value)) return "\u2212\u221e";
  return value.toFixed(3).replace("-", "\u2212");
}

function headings({ seen, logits }, { input, logits: middle, P, loss, bottom }) {
  const between = (a, b) => (a + b) / 2;
  const target = logits ? middle : P;
  const through = data.heatmap.W ? "\u00d7 W" : shown(data.model);
  const inner = logits
    ? [
        svgText("logits", between(...middle), 14, "middle", { class: "title" }),
        svgText("softmax", between(middle[1], P[0]), bottom + 18, "middle"),
      ]
    : [];
  return [
    svgText(seen.length === 1 ? "one-hot" : "one-hots", 4, 14, "start", { class: "title" }),
    svgText(through, between(input[1], target[0]), bottom + 18, "middle"),
    ...inner,
    svgText("probabilities", between(...P), 14, "middle", { class: "title" }),
    svgText("\u2212log", between(P[1], loss[0]), bottom + 18, "middle"),
    svgText("loss", between(...loss), 14, "middle", { class: "title" }),
  ];
}

function lossNode({ came }, { loss: [left, right], y }) {
  const place = { x: left, y: y(came) - 14, width: right - left, height: 28, rx: 6 };
  const loss = natsText(computed.nats[computed.step]);
  return [
    svgElement("rect", { class: "loss-node", ...place }),
    svgText(loss, (left + right) / 2, y(came) + 4, "middle", { class: "title" }),
  ];
}
