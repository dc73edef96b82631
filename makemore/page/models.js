// The models: the distribution of the next symbol of a word.
//
// V symbols; ids count from 0, and 0 is the boundary that starts and ends every word. A model
// has the methods that it has in Python, for one word at a time:
//
//     start() -> state                     before the first symbol
//     advance(state, symbol) -> state      never over a boundary
//     probabilities(state) -> (V,)         of the next symbol
//
// A network has logits(state) -> (V,) instead of the last. There is a function for each layer and a
// class for each kind of model, whose equations are in the Python file of that name in
// makemore/models/. Weights are float32, as they were learnt; everything else is float64.

const BOUNDARY = 0;

/** Return the number of cached states, of V and perhaps 1,024 numbers each: about 128 MB in all. */
const maxStates = (V) => 2 ** 24 / (V + 1024);

// ---- unpacking the data of the page ----

/** Return the bytes that Python compressed and wrote as base64. */
async function unpack(packed) {
  const text = atob(packed);
  const compressed = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i += 1) compressed[i] = text.charCodeAt(i);
  const stream = new Blob([compressed]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Response(stream).arrayBuffer();
}

/** Return a function that reads the next elements of a buffer as an array of a type. */
function bufferReader(buffer) {
  let offset = 0;
  return (Type, length) => {
    const array = new Type(buffer, offset, length);
    offset += array.byteLength;
    return array;
  };
}

/** Return the model described by the data of the page. */
async function makeModel(described, V) {
  if (described.kind === "automaton") return new Automaton(V, await unpackArcs(described));
  return new Cached(await makePart(described, V), V);
}

async function makePart(described, V) {
  const { kind, options, weights, components } = described;
  if (kind === "automaton") return makeModel(described, V);
  if (kind === "mixture") {
    return new Mixture(weights, await Promise.all(components.map((part) => makePart(part, V))));
  }
  return new NETWORKS[kind](options, await unpackParameters(described));
}

/** Return the arrays of a network as nested fields: "cells.0.bias" becomes .cells[0].bias. */
async function unpackParameters({ arrays, packed }) {
  const take = bufferReader(await unpack(packed));
  const parameters = {};
  for (const [name, size] of arrays) {
    const path = name.split(".");
    const last = path.pop();
    const layer = path.reduce((within, field) => (within[field] ??= {}), parameters);
    layer[last] = take(Float32Array, size);
  }
  return parameters;
}

/** Return the arrays that Python's Arcs.packed() wrote, of S and of A elements. */
async function unpackArcs({ start, states, arcs, packed }) {
  const take = bufferReader(await unpack(packed));
  return {
    start,
    fallbacks: take(Int32Array, states),
    shares: take(Float32Array, states),
    probabilities: take(Float32Array, arcs),
    successors: take(Int32Array, arcs),
    lengths: take(Uint16Array, states),
    symbols: take(Uint16Array, arcs),
  };
}

// ---- models made of others, or of states ----

/** Caches the results of a model in a tree of the beginnings of words. */
class Cached {
  constructor(model, V) {
    this.model = model;
    this.limit = maxStates(V);
    this.parents = []; // the parents of all nodes but the root
    this.root = this.node(model.start());
  }

  node(state) {
    return { state, children: new Map(), P: null };
  }

  start() {
    return this.root;
  }

  advance(node, symbol) {
    if (!node.children.has(symbol)) {
      if (this.parents.length >= this.limit) this.clear();
      node.children.set(symbol, this.node(this.model.advance(node.state, symbol)));
      this.parents.push(node);
    }
    return node.children.get(symbol);
  }

  /** Empty the cache. Nodes that are still in use stay valid. */
  clear() {
    for (const parent of this.parents) parent.children.clear();
    this.parents = [];
  }

  probabilities(node) {
    return (node.P ??= this.model.probabilities(node.state));
  }

  /** Return the logits of a network, or undefined. */
  logits(node) {
    return this.model.logits?.(node.state);
  }
}

/** The weighted mean of several models' probabilities; its state is the list of their states. */
class Mixture {
  constructor(weights, models) {
    this.weights = weights;
    this.models = models;
  }

  start() {
    return this.models.map((model) => model.start());
  }

  advance(states, symbol) {
    return this.models.map((model, i) => model.advance(states[i], symbol));
  }

  probabilities(states) {
    const parts = this.models.map((model, i) => model.probabilities(states[i]));
    return parts[0].map((_, v) =>
      this.weights.reduce((total, weight, i) => total + weight * parts[i][v], 0),
    );
  }
}

/** A finite automaton: distributions and successors by state. S states, A arcs. */
class Automaton {
  constructor(V, arcs) {
    this.V = V;
    this.arcs = arcs;
    this.firsts = new Int32Array(arcs.lengths.length + 1); // the first arc of each state
    arcs.lengths.forEach((length, s) => (this.firsts[s + 1] = this.firsts[s] + length));
    this.limit = maxStates(V);
    this.rows = new Map(); // of visited states
  }

  start() {
    return this.arcs.start;
  }

  advance(state, symbol) {
    return this.row(state).next[symbol];
  }

  probabilities(state) {
    return this.row(state).P;
  }

  /** Return P(next symbol | state) and the successors, both of shape (V,). */
  row(state) {
    if (!this.rows.has(state)) {
      const row = this.makeRow(state);
      if (this.rows.size >= this.limit) this.rows.clear();
      this.rows.set(state, row);
    }
    return this.rows.get(state);
  }

  makeRow(state) {
    const { fallbacks, shares, symbols, probabilities, successors } = this.arcs;
    const lower = fallbacks[state] < 0 ? null : this.row(fallbacks[state]);
    const P = lower ? lower.P.map((p) => shares[state] * p) : new Float64Array(this.V);
    const next = lower ? lower.next.slice() : new Int32Array(this.V);
    for (let arc = this.firsts[state]; arc < this.firsts[state + 1]; arc += 1) {
      P[symbols[arc]] = probabilities[arc];
      next[symbols[arc]] = successors[arc];
    }
    return { P, next };
  }
}

// ---- layers, from vectors to vectors of float64 ----

/** Return x W + b, (n,) -> (m,); W is stored by rows. */
function linear(x, { weight, bias }) {
  const y = Float64Array.from(bias);
  let k = 0;
  for (const number of x) for (let j = 0; j < y.length; j += 1) y[j] += number * weight[k++];
  return y;
}

/** Return the row of an embedding for a symbol, (n,). */
function embed({ weight }, symbol, V) {
  const n = weight.length / V;
  return Float64Array.from(weight.subarray(symbol * n, (symbol + 1) * n));
}

/** Return the concatenation of vectors. */
function joined(vectors) {
  const whole = new Float64Array(vectors.reduce((n, vector) => n + vector.length, 0));
  let offset = 0;
  for (const vector of vectors) {
    whole.set(vector, offset);
    offset += vector.length;
  }
  return whole;
}

const sum = (a, b) => a.map((x, i) => x + b[i]);
const relu = (x) => x.map((number) => Math.max(0, number));
const GELU = Math.sqrt(2 / 3.141592653589793);
const gelu = (x) => x.map((z) => (z * (1 + tanh(GELU * (z + 0.044715 * z * z * z)))) / 2);

const EPSILON = 1e-5; // added to variances, as in Python

/** Return x with mean 0 and variance 1, times weight, plus bias: layer normalisation. */
function layerNorm(x, { weight, bias }) {
  const mean = x.reduce((total, number) => total + number, 0) / x.length;
  const centred = x.map((number) => number - mean);
  const variance = centred.reduce((total, number) => total + number * number, 0) / x.length;
  const scale = 1 / Math.sqrt(variance + EPSILON);
  return centred.map((number, i) => number * scale * weight[i] + bias[i]);
}

/** Return x normalised by the running means and variances: batch normalisation. */
function batchNorm(x, { weight, bias, running_mean, running_var }) {
  const scale = (i) => weight[i] / Math.sqrt(running_var[i] + EPSILON);
  return x.map((number, i) => (number - running_mean[i]) * scale(i) + bias[i]);
}

/** Return the attention of a query: the mean of values, weighted by softmax(q k / sqrt(d)), (n,). */
function attention(query, keys, values, heads) {
  const size = query.length / heads;
  const seen = new Float64Array(query.length);
  for (let first = 0; first < query.length; first += size) {
    const scores = keys.map((key) => {
      let score = 0;
      for (let i = first; i < first + size; i += 1) score += query[i] * key[i];
      return score / Math.sqrt(size);
    });
    softmax(scores).forEach((share, t) => {
      for (let i = first; i < first + size; i += 1) seen[i] += share * values[t][i];
    });
  }
  return seen;
}

// ---- recurrent cells, from inputs x, products u and the state s to the new state ----

/** h' = tanh(x + u) */
function elmanCell(x, u) {
  return x.map((number, i) => tanh(number + u[i]));
}

/** Gates r, z, n: h' = (1 - z) n + z h, with n = tanh(x_n + r u_n). */
function gatedCell(x, u, s) {
  const h = s.length;
  return s.map((old, i) => {
    const r = sigmoid(x[i] + u[i]);
    const z = sigmoid(x[h + i] + u[h + i]);
    const n = tanh(x[2 * h + i] + r * u[2 * h + i]);
    return (1 - z) * n + z * old;
  });
}

/** Gates i, f, g, o: c' = f c + i g, h' = o tanh(c'); the state is h and c, one after another. */
function longShortTermCell(x, u, s) {
  const h = s.length / 2;
  const next = new Float64Array(2 * h);
  for (let k = 0; k < h; k += 1) {
    const gate = (number) => x[number * h + k] + u[number * h + k];
    const c = sigmoid(gate(1)) * s[h + k] + sigmoid(gate(0)) * tanh(gate(2));
    next[h + k] = c;
    next[k] = sigmoid(gate(3)) * tanh(c);
  }
  return next;
}

// ---- the networks ----

/** The base class of networks: options, parameters by name, and probabilities from logits. */
class Network {
  constructor(options, parameters) {
    Object.assign(this, parameters); // layers by their names in Python
    this.options = options;
    this.V = this.head.bias.length;
  }

  probabilities(state) {
    return softmax(this.logits(state));
  }

  /** Return the layers of a list, which may be empty. */
  layers(name) {
    return Object.values(this[name] ?? {});
  }

  embedded(symbol) {
    return embed(this.embedding, symbol, this.V);
  }
}

/** A network that sees the last few symbols; its state is their ids. */
class WindowedNetwork extends Network {
  start() {
    return new Array(this.options.context).fill(BOUNDARY);
  }

  advance(window, symbol) {
    return [...window.slice(1), symbol];
  }
}

class Mlp extends WindowedNetwork {
  logits(window) {
    const norms = this.layers("norms");
    let x = joined(window.map((symbol) => this.embedded(symbol)));
    this.layers("hidden").forEach((layer, i) => {
      x = linear(x, layer);
      if (norms.length) x = batchNorm(x, norms[i]);
      x = x.map(tanh);
    });
    return linear(x, this.head);
  }
}

class Wavenet extends WindowedNetwork {
  logits(window) {
    const norms = this.layers("norms");
    let vectors = window.map((symbol) => this.embedded(symbol));
    this.layers("merges").forEach((merge, level) => {
      const pairs = vectors.flatMap((x, i) => (i % 2 ? [joined([vectors[i - 1], x])] : []));
      vectors = pairs.map((pair) => layerNorm(linear(pair, merge), norms[level]).map(tanh));
    });
    return linear(vectors[0], this.head);
  }
}

/** A bag of symbols; the state is the sum of their embeddings, their number and the last one. */
class Bow extends Network {
  start() {
    return { total: this.embedded(BOUNDARY), length: 1, last: BOUNDARY };
  }

  advance({ total, length }, symbol) {
    return { total: sum(total, this.embedded(symbol)), length: length + 1, last: symbol };
  }

  logits({ total, length, last }) {
    const mean = total.map((number) => number / length);
    const x = sum(mean, embed(this.last, last, this.V));
    return linear(sum(x, linear(relu(linear(x, this.inner)), this.outer)), this.head);
  }
}

/** Recurrent layers; the state is the list of their states. */
class Recurrent extends Network {
  start() {
    const { layers, hidden_size } = this.options;
    const zeros = () => new Float64Array(this.parts() * hidden_size);
    return this.advance(Array.from({ length: layers }, zeros), BOUNDARY);
  }

  parts() {
    return 1;
  }

  advance(states, symbol) {
    let x = this.embedded(symbol);
    return this.layers("cells").map((layer, i) => {
      const { input_weight, input_bias, hidden_weight, hidden_bias } = layer;
      const u = linear(this.seen(states[i]), { weight: hidden_weight, bias: hidden_bias });
      const next = this.cell(linear(x, { weight: input_weight, bias: input_bias }), u, states[i]);
      x = this.seen(next);
      return next;
    });
  }

  /** Return the part of a layer's state that other layers see. */
  seen(state) {
    return state.subarray(0, this.options.hidden_size);
  }

  logits(states) {
    return linear(this.seen(states.at(-1)), this.head);
  }
}

class Rnn extends Recurrent {
  cell(x, u) {
    return elmanCell(x, u);
  }
}

class Gru extends Recurrent {
  cell(x, u, s) {
    return gatedCell(x, u, s);
  }
}

class Lstm extends Recurrent {
  parts() {
    return 2;
  }

  cell(x, u, s) {
    return longShortTermCell(x, u, s);
  }
}

/** The state is the keys and values of all blocks at all positions so far, and the last output. */
class Transformer extends Network {
  start() {
    const nothing = this.layers("blocks").map(() => ({ keys: [], values: [] }));
    return this.advance({ cache: nothing, position: -1 }, BOUNDARY);
  }

  advance(state, symbol) {
    const { cache, position } = state;
    if (position === this.options.longest) return state; // the word has to end here
    const here = position + 1;
    let x = sum(this.embedded(symbol), embed(this.positions, here, this.options.longest + 1));
    const blocks = this.layers("blocks").map((block, i) => {
      const seen = this.look(block, x, cache[i]);
      x = sum(x, linear(seen.found, block.out));
      x = sum(x, linear(gelu(linear(layerNorm(x, block.norm), block.inner)), block.outer));
      return seen.cache;
    });
    return { cache: blocks, position: here, x };
  }

  /** Return the attention of a block, and its keys and values with those of x. */
  look(block, x, { keys, values }) {
    const n = x.length;
    const qkv = linear(layerNorm(x, block.attention_norm), block.qkv);
    const [query, key, value] = [0, n, 2 * n].map((first) => qkv.subarray(first, first + n));
    const cache = { keys: [...keys, key], values: [...values, value] };
    return { cache, found: attention(query, cache.keys, cache.values, this.options.heads) };
  }

  logits({ x, position }) {
    if (position < this.options.longest) return linear(layerNorm(x, this.norm), this.head);
    const onlyTheEnd = new Float64Array(this.V).fill(-Infinity); // no word is longer
    onlyTheEnd[BOUNDARY] = 0;
    return onlyTheEnd;
  }
}

const NETWORKS = {
  mlp: Mlp,
  bow: Bow,
  wavenet: Wavenet,
  rnn: Rnn,
  gru: Gru,
  lstm: Lstm,
  transformer: Transformer,
};
