// The curves of a training.

const MAX_POINTS = 300; // of a curve, which is no wider in dots

/** Draw curves into an element: each {points: [[step, loss], ...], name}, and a minimum or null. */
function drawCurves(within, curves, minimum, height, words) {
  const scales = curveScales(curves, minimum, Math.max(280, within.clientWidth), height);
  const picture = svgElement("svg", {
    viewBox: `0 0 ${scales.width} ${height}`,
    role: "img",
    "aria-label": words,
  });
  picture.append(...curveAxes(scales));
  if (minimum !== null) picture.append(...minimumLine(minimum, scales));
  for (const { points, name } of curves) picture.append(curveLine(points, name, scales));
  within.replaceChildren(picture);
}

/** Return the scales of steps (logarithmic) and losses, in units of the picture. */
function curveScales(curves, minimum, width, height) {
  const [left, right, top, bottom] = [40, width - 12, 28, height - 40];
  const points = curves.flatMap((curve) => curve.points);
  const losses = points.map(([, loss]) => loss).concat(minimum ?? []);
  const [low, high] = [Math.min(...losses), largest(losses)];
  const steps = Math.max(1, largest(points.map(([step]) => step)));
  const floor = bottom - (minimum === null ? 4 : 22); // room for the label of the minimum
  return {
    ...{ width, height, left, right, bottom, low, high, steps },
    x: (step) => left + ((right - left) * Math.log(1 + step)) / Math.log(1 + steps),
    y: (loss) => floor - ((floor - top) * (loss - low)) / (high - low || 1),
  };
}

function curveAxes({ x, y, height, left, right, bottom, low, high, steps }) {
  const axes = [
    svgText("nats per symbol", 0, 12, "start"),
    svgText("step, on a logarithmic scale", right, height - 4, "end"),
  ];
  for (const loss of niceTicks(low, high)) {
    axes.push(svgLine(left, y(loss), right, y(loss), "grid"));
    axes.push(svgText(loss.toFixed(1), left - 8, y(loss) + 4, "end"));
  }
  const ticks = [0];
  for (let step = 1; step <= steps; step *= 10) ticks.push(step);
  for (const step of ticks) {
    axes.push(svgText(numbers.format(step), x(step), bottom + 18, "middle"));
  }
  return axes;
}

function curveLine(points, name, { x, y }) {
  const places = points.map(([step, loss]) => `${x(step).toFixed(1)},${y(loss).toFixed(1)}`);
  return svgElement("polyline", { class: `curve ${name}`, points: places.join(" ") });
}

function minimumLine(minimum, { y, left, right }) {
  const words = `closed-form minimum ${minimum.toFixed(4)}`;
  const at = y(minimum);
  return [
    svgLine(left, at, right, at, "minimum"),
    svgText(words, left + 6, at + 15, "start", { class: "minimum-text" }),
  ];
}

/** Return about five round numbers between two limits. */
function niceTicks(low, high) {
  const rough = (high - low || 1) / 6;
  const size = 10 ** Math.floor(Math.log10(rough));
  const step = Math.max(0.1, size * [1, 2, 5, 10].find((factor) => factor * size >= rough));
  const ticks = [];
  for (let k = Math.ceil(low / step); k * step <= high; k += 1) ticks.push(k * step);
  return ticks;
}

// ---- the training of the model ----

function drawLoss() {
  const { curve, validation, minimum } = data.losses;
  byId("loss-note").textContent = lossNote();
  if (curve.length < 2) return;
  const curves = [{ points: curve, name: "training" }];
  if (validation.length > 1) curves.push({ points: validation, name: "validation" });
  byId("loss-key").hidden = curves.length < 2;
  drawCurves(byId("loss"), curves, minimum, 300, lossNote());
}

function lossNote() {
  const { curve, validation, training, minimum } = data.losses;
  const least = minimum === null ? "" : `; no such model can come below ${minimum.toFixed(4)}`;
  const reached = (loss) => `${loss.toFixed(4)} nats per symbol${least}.`;
  if (curve.length < 2) {
    const how = data.method === "counts" ? "Its probabilities were counted, without steps: " : "";
    return `${how}the loss on its ${data.losses.words} is ${reached(training)}`.replace(/^t/, "T");
  }
  const steps = numbers.format(data.losses.steps);
  if (validation.length) {
    const [step, loss] = validation.reduce((best, next) => (next[1] < best[1] ? next : best));
    return (
      `In ${steps} steps, each on a mini-batch, the validation loss fell to ${loss.toFixed(4)} ` +
      `after step ${numbers.format(step)}, which is kept. The training loss is ${reached(training)}`
    );
  }
  const [[, from], [, to]] = [curve[0], curve.at(-1)];
  const fell = `the ${data.losses.objective} fell from ${from.toFixed(4)} to ${reached(to)}`;
  return `In ${steps} steps of gradient descent ${fell}`;
}
