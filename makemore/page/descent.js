// The training of a bigram: gradient descent on the counts of all pairs.

/**
 * The weights W, V rows of V numbers, and the counts N of the same shape.
 *
 * The loss is -(N * log softmax(W)).sum() / n, in nats per symbol, with n the sum of N; its
 * gradient is (N.sum(axis=1) * P - N) / n.
 */
class Descent {
  constructor(N, seed) {
    this.V = N.length;
    this.N = N.map((row) => Float64Array.from(row));
    this.rowSums = this.N.map((row) => row.reduce((total, count) => total + count, 0));
    this.n = this.rowSums.reduce((total, count) => total + count, 0);
    const random = randomDraws(seed);
    this.W = this.N.map((row) => row.map(() => (2 * random()) / DRAWS - 1)); // in [-1, 1)
    this.measure();
    this.losses = [this.loss]; // before the first step and after each
  }

  /** Compute the probabilities and the loss of the weights. */
  measure() {
    this.loss = 0;
    this.P = this.W.map((logits, i) => {
      const greatest = largest(logits);
      const exponentials = logits.map((z) => exp(z - greatest));
      const normaliser = exponentials.reduce((total, e) => total + e, 0);
      // log P = z - greatest - log(normaliser) is finite even where P underflows.
      const likelihood = dot(this.N[i], logits) - this.rowSums[i] * (greatest + log(normaliser));
      this.loss -= likelihood / this.n;
      return exponentials.map((e) => e / normaliser);
    });
  }

  /** Go one step down the gradient. */
  step(rate) {
    this.W.forEach((row, i) => {
      for (let j = 0; j < this.V; j += 1) {
        row[j] -= (rate * (this.rowSums[i] * this.P[i][j] - this.N[i][j])) / this.n;
      }
    });
    this.measure();
    this.losses.push(this.loss);
  }

  // The methods of a model, whose state is the last symbol.

  start() {
    return BOUNDARY;
  }

  advance(_, symbol) {
    return symbol;
  }

  probabilities(symbol) {
    return this.P[symbol];
  }
}

const dot = (a, b) => a.reduce((total, x, i) => total + x * b[i], 0);
