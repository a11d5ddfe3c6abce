/**
 * Reverse mode: the adjoints of a graph's nodes, given those of its outputs, by one walk from the last node to the first
 * (Griewank & Walther 2008, chapter 3). What it adds are nodes of the same graph, so they are folded, shared and printed
 * like all others.
 */
import { add, cos, div, type Expr, fma, less, mul, type Node, neg, select, sin } from './graph.ts'

/** A value whose adjoint is known. */
export interface Seed {
  readonly of: Expr
  readonly adjoint: Expr
}

/**
 * Vector-Jacobian product: sum over the seeds of adjoint * d(of) / d(node), for the nodes of `by`. Those are independent
 * variables: what they were computed from is not looked at.
 *
 * Note: where two branches meet (select, min, max, abs) the derivative is that of the branch taken.
 * @throws Error if a loop lies between seeds and `by`: its outcome must be an input of a graph of its own, and what it
 * solves be differentiated by the implicit function theorem (adjoint.ts)
 */
export function gradient(seeds: readonly Seed[], by: readonly Node[]): Expr[] {
  const adjoints = new Map<Node, Expr>()
  const give = (to: Expr, adjoint: Expr) => {
    if (typeof to !== 'number' && adjoint !== 0)
      adjoints.set(to, add(adjoints.get(to) ?? 0, adjoint))
  }
  // to += a b
  const giveProduct = (to: Expr, a: Expr, b: Expr) => {
    if (typeof to !== 'number') adjoints.set(to, fma(a, b, adjoints.get(to) ?? 0))
  }
  for (const { of, adjoint } of seeds) give(of, adjoint)

  const independent = new Set(by)
  for (const node of reachable(seeds, independent)) {
    const y = adjoints.get(node)
    if (y === undefined || y === 0 || independent.has(node)) continue
    const [a, b, c] = node.args as [Expr, Expr, Expr]
    switch (node.op) {
      case 'input':
        break
      case 'add':
        give(a, y)
        give(b, y)
        break
      case 'sub':
        give(a, y)
        give(b, neg(y))
        break
      case 'mul':
        giveProduct(a, y, b)
        giveProduct(b, y, a)
        break
      case 'fma':
        giveProduct(a, y, b)
        giveProduct(b, y, a)
        give(c, y)
        break
      case 'div':
        give(a, div(y, b))
        giveProduct(b, neg(y), div(node, b))
        break
      case 'neg':
        give(a, neg(y))
        break
      case 'abs':
        give(a, select(less(a, 0), neg(y), y))
        break
      case 'min':
        give(a, select(less(a, b), y, 0))
        give(b, select(less(a, b), 0, y))
        break
      case 'max':
        give(a, select(less(b, a), y, 0))
        give(b, select(less(b, a), 0, y))
        break
      case 'sqrt':
        give(a, div(mul(0.5, y), node))
        break
      case 'sin':
        giveProduct(a, y, cos(a))
        break
      case 'cos':
        giveProduct(a, neg(y), sin(a))
        break
      case 'atan2': {
        const scale = div(y, fma(a, a, mul(b, b)))
        giveProduct(a, scale, b)
        giveProduct(b, neg(scale), a)
        break
      }
      case 'exp':
        giveProduct(a, y, node)
        break
      case 'log':
        give(a, div(y, a))
        break
      case 'select':
        give(b, select(a, y, 0))
        give(c, select(a, 0, y))
        break
      case 'less':
      case 'and':
      case 'or':
      case 'not':
        break
      default:
        throw new Error(`a ${node.op} value of a loop has no derivative here`)
    }
  }
  return by.map((node) => adjoints.get(node) ?? 0)
}

// what the seeds depend on, the last made first
function reachable(seeds: readonly Seed[], independent: ReadonlySet<Node>): Node[] {
  const found = new Set<Node>()
  const open = seeds.map(({ of }) => of).filter((of): of is Node => typeof of !== 'number')
  for (let node = open.pop(); node; node = open.pop()) {
    if (found.has(node)) continue
    found.add(node)
    if (independent.has(node)) continue
    for (const arg of node.args) if (typeof arg !== 'number') open.push(arg)
  }
  return [...found].sort((a, b) => b.id - a.id)
}
