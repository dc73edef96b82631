// Draws the page, then listens to its fields and buttons.

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
  byId("heatmap-title").textContent = `Which ${data.unit} follows which`;
  document.title = `makemore: more words like those in ${shown(data.corpus)}`;
  const back = data.context_length;
  const all = back === null ? `every ${data.unit}` : `the ${counted(back, "symbol")}`;
  const seen = back === 1 ? `the ${data.unit}` : all;
  const apart = data.held_out ? `, ${numbers.format(data.held_out)} of them held out` : "";
  const list = `was trained on a list of ${counted(data.words, "word")}${apart}`;
  const origin = data.words ? list : "was imported";
  byId("lead").textContent =
    `This ${shown(data.model)} model ${origin}. It predicts each ${data.unit} from ${seen} before ` +
    `it, and so writes new words one ${data.unit} at a time.`;
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
    wordIsChosen = true;
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
  new ResizeObserver(drawComputation).observe(byId("computation"));
}

async function start() {
  drawTitle();
  drawHeatmap();
  drawLoss();
  drawFacts();
  model = await makeModel(data.parameters, itos.length);
  listen();
  applyAddress();
  startWatching();
  document.documentElement.dataset.ready = "";
}

start().catch((error) => {
  byId("problem").textContent =
    `The page could not start: ${error.message}. It needs a browser of 2023 or later.`;
});
