// Draws words from a model, and computes the surprisal of a word.

const MAX_LENGTH = 10000; // characters, by which a model that ends its words has ended one
const PAUSE_AFTER = 64; // symbols of a long word, to let other code run
const DRAWS = 2 ** 53; // a draw is an integer in [0, DRAWS)

/** Return the distribution to draw from, up to a constant factor, (V,) -> (V,). */
function nextDistribution(P, temperature) {
  if (temperature === 1) return P;
  const greatest = largest(P);
  if (temperature === 0) {
    const likeliest = P.indexOf(greatest); // the first if several are equal
    return P.map((_, symbol) => (symbol === likeliest ? 1 : 0));
  }
  return P.map((p) => (p === 0 ? 0 : exp(log(p / greatest) / temperature)));
}

/** Return the cumulative distribution, scaled to DRAWS, (V,) -> (V,). */
function drawThresholds(P) {
  let sum = 0;
  const cumulative = P.map((p) => (sum += p));
  // From the last possible symbol on this is DRAWS, which no draw reaches.
  return cumulative.map((c) => Math.round((c / sum) * DRAWS));
}

/** Return the first symbol whose threshold lies above the draw. */
function drawSymbol(thresholds, draw) {
  let low = 0;
  let high = thresholds.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (thresholds[middle] > draw) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** Draws words that begin with a prefix and are not empty, as ids without the boundary. */
class Sampler {
  constructor(model, { temperature = 1, prefix = [] } = {}) {
    this.model = model;
    this.temperature = temperature;
    this.prefix = prefix;
    this.thresholds = new Map(); // by state
    this.start = model.start();
    this.possible = true;
    for (const symbol of prefix) {
      // a prefix is given and not drawn, at any temperature
      this.possible &&= model.probabilities(this.start)[symbol] > 0;
      this.start = model.advance(this.start, symbol);
    }
    const first = model.probabilities(this.start).slice();
    if (prefix.length === 0) first[BOUNDARY] = 0; // the condition that the word is not empty
    this.first = drawThresholds(nextDistribution(first, temperature));
    this.possible &&= first.some((p) => p > 0);
  }

  /**
   * Return a word, or null if no word is possible or the word does not end.
   *
   * It is a generator: in a long word it yields null now and then, to let other code run.
   */
  *word(random) {
    if (!this.possible) return null;
    const word = [...this.prefix];
    let state = this.start;
    let symbol = drawSymbol(this.first, random());
    while (symbol !== BOUNDARY) {
      word.push(symbol);
      if (word.length > MAX_LENGTH) return null;
      if (word.length % PAUSE_AFTER === 0) yield null;
      state = this.model.advance(state, symbol);
      symbol = drawSymbol(this.thresholdsOf(state), random());
    }
    return word;
  }

  distribution(state) {
    return nextDistribution(this.model.probabilities(state), this.temperature);
  }

  thresholdsOf(state) {
    if (!this.thresholds.has(state)) {
      if (this.thresholds.size > maxStates(this.first.length)) this.thresholds.clear();
      this.thresholds.set(state, drawThresholds(this.distribution(state)));
    }
    return this.thresholds.get(state);
  }
}

/**
 * Yield up to count words, and nulls between them if one takes long.
 *
 * There are fewer if the model writes none, or does not end its words.
 */
function* drawnWords(model, count, seed, options) {
  const sampler = new Sampler(model, options);
  const random = randomDraws(seed);
  for (let drawn = 0; drawn < count; drawn += 1) {
    const word = yield* sampler.word(random);
    if (word === null) return;
    yield word;
  }
}

/** Return up to count words in one array. */
function sample(model, count, seed, options) {
  return [...drawnWords(model, count, seed, options)].filter((word) => word !== null);
}

/** Return the surprisals, -log P in nats, of a word's symbols and end, (T,) ids -> (T + 1,). */
function surprisals(model, word) {
  const states = wordStates(model, word);
  return states.map((state, t) => -log(model.probabilities(state)[word[t] ?? BOUNDARY]));
}

/** Return the state before each symbol of a word and before its end, (T,) ids -> (T + 1,). */
function wordStates(model, word) {
  const states = [model.start()];
  for (const symbol of word) states.push(model.advance(states.at(-1), symbol));
  return states;
}
