/**
 * Separable CMA-ES (Ros & Hansen 2008): a black-box search that keeps a normal distribution with a standard deviation a
 * coordinate, and moves it to where the better half of its samples lay. Cheap in any dimension, indifferent to the
 * scale of the fitness, and content with a fitness that is noisy.
 */
import { Random } from '../random.ts'

/** All that a stopped search needs to go on with the same numbers; plain data. */
export interface EvolutionState {
  /** generations done */
  readonly generation: number
  readonly mean: readonly number[]
  /** step size, and by coordinate the variance it is multiplied with */
  readonly sigma: number
  readonly variances: readonly number[]
  /** evolution paths of variances and of step size */
  readonly path: readonly number[]
  readonly sizePath: readonly number[]
}

const STREAM = 4

export class Evolution {
  private readonly weights: readonly number[]
  private readonly selected: number

  /**
   * @param population samples a generation, at least 4
   * @param state see `begin`
   */
  constructor(
    readonly population: number,
    private readonly seed: number,
    public state: EvolutionState,
  ) {
    const parents = population >> 1
    const raw = Array.from({ length: parents }, (_, i) => Math.log((parents + 1) / (i + 1)))
    const sum = raw.reduce((a, b) => a + b, 0)
    this.weights = raw.map((w) => w / sum)
    this.selected = 1 / this.weights.reduce((a, w) => a + w * w, 0)
  }

  /** The state before the first generation. */
  static begin(mean: readonly number[], deviation: number): EvolutionState {
    const zero = mean.map(() => 0)
    const variances = mean.map(() => 1)
    return { generation: 0, mean, sigma: deviation, variances, path: zero, sizePath: zero }
  }

  /** The samples of the next generation: the same for the same state and seed. */
  ask(): number[][] {
    const { generation, mean, sigma, variances } = this.state
    const random = new Random(this.seed, STREAM, generation)
    return Array.from({ length: this.population }, () =>
      mean.map((m, i) => m + sigma * Math.sqrt(variances[i]) * random.normal()),
    )
  }

  /** Learns how good the samples were: larger is better, NaN counts as worst. */
  tell(samples: readonly (readonly number[])[], fitness: readonly number[]): void {
    const { weights, selected } = this
    const { generation, mean, sigma, variances, path, sizePath } = this.state
    const n = mean.length
    const worth = (i: number) => (Number.isNaN(fitness[i]) ? Number.NEGATIVE_INFINITY : fitness[i])
    const ranked = samples
      .map((sample, i) => ({ steps: sample.map((x, k) => (x - mean[k]) / sigma), worth: worth(i) }))
      .sort((a, b) => b.worth - a.worth)
      .slice(0, weights.length)
    const average = (f: (step: number) => number) =>
      mean.map((_, k) => ranked.reduce((sum, { steps }, r) => sum + weights[r] * f(steps[k]), 0))
    const step = average((x) => x)

    // learning rates and damping of Hansen's tutorial, those of the variances raised for the separable case
    const cSize = (selected + 2) / (n + selected + 5)
    const damping = 1 + cSize + 2 * Math.max(0, Math.sqrt((selected - 1) / (n + 1)) - 1)
    const cPath = 4 / (n + 4)
    const raise = (n + 2) / 3
    const cOne = Math.min(1, (raise * 2) / ((n + 1.3) ** 2 + selected))
    const cMany = Math.min(
      1 - cOne,
      (raise * 2 * (selected - 2 + 1 / selected)) / ((n + 2) ** 2 + selected),
    )
    const expected = Math.sqrt(n) * (1 - 1 / (4 * n) + 1 / (21 * n * n))

    const nextSizePath = sizePath.map(
      (p, k) =>
        (1 - cSize) * p +
        Math.sqrt(cSize * (2 - cSize) * selected) * (step[k] / Math.sqrt(variances[k])),
    )
    const length = Math.hypot(...nextSizePath)
    // a path that grows fast is not to blow up the variances too
    const held = length / Math.sqrt(1 - (1 - cSize) ** (2 * generation + 2))
    const steady = held < (1.4 + 2 / (n + 1)) * expected ? 1 : 0
    const nextPath = path.map(
      (p, k) => (1 - cPath) * p + steady * Math.sqrt(cPath * (2 - cPath) * selected) * step[k],
    )
    const squares = average((x) => x * x)
    this.state = {
      generation: generation + 1,
      mean: mean.map((m, k) => m + sigma * step[k]),
      sigma: sigma * Math.exp((cSize / damping) * (length / expected - 1)),
      variances: variances.map(
        (v, k) => (1 - cOne - cMany) * v + cOne * nextPath[k] ** 2 + cMany * squares[k],
      ),
      path: nextPath,
      sizePath: nextSizePath,
    }
  }
}
