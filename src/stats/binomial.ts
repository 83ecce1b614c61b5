/** Binomial probabilities, summed in logarithms so that samples of tens of thousands neither overflow nor vanish. */

/** log n! : exact product below 256, Stirling's series (error below 1e-15) above. */
function logFactorial(n: number): number {
  if (n < 256) {
    let sum = 0;
    for (let i = 2; i <= n; i++) sum += Math.log(i);
    return sum;
  }
  const x = n + 1;
  return (x - 0.5) * Math.log(x) - x + 0.5 * Math.log(2 * Math.PI) + 1 / (12 * x) - 1 / (360 * x ** 3);
}

/** P[X = k] for X ~ Binomial(n, p), 0 < p < 1. */
export function binomialPmf(k: number, n: number, p: number): number {
  return Math.exp(logFactorial(n) - logFactorial(k) - logFactorial(n - k) + k * Math.log(p) + (n - k) * Math.log1p(-p));
}

/** P[X ≤ k] for X ~ Binomial(n, p), 0 < p < 1. */
export function binomialCdf(k: number, n: number, p: number): number {
  if (k < 0) return 0;
  if (k >= n) return 1;
  let term = logFactorial(n) - logFactorial(k) - logFactorial(n - k) + k * Math.log(p) + (n - k) * Math.log1p(-p);
  let sum = 0;
  // From the largest term downwards; each is the one before times i (1-p) / ((n-i+1) p).
  for (let i = k; i >= 0; i--) {
    sum += Math.exp(term);
    term += Math.log(i) - Math.log(n - i + 1) + Math.log1p(-p) - Math.log(p);
  }
  return Math.min(1, sum);
}
