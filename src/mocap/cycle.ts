/**
 * Where a loop's cycles are in the world. From one cycle to the next the root moves by a turn about the world's z axis
 * through the origin and a displacement after it: x' = R(turn) x + offset. Cycle n is that motion n times over.
 */

/** The motion of one cycle, as a clip has it. */
export interface CycleMotion {
  /** rad */
  readonly cycleTurn: number
  /** m */
  readonly cycleOffset: readonly [number, number]
}

/**
 * How far some cycles (fewer than 0: backwards) displace the root, after their turn about the origin:
 * (1 + R + R^2 + ...) offset, m.
 */
export function displacement(
  { cycleTurn, cycleOffset }: CycleMotion,
  cycles: number,
): [number, number] {
  const [x, y] = cycleOffset
  if (cycleTurn === 0) return [cycles * x, cycles * y]
  const half = cycleTurn / 2
  const length = Math.sin(cycles * half) / Math.sin(half)
  const [cos, sin] = [Math.cos((cycles - 1) * half), Math.sin((cycles - 1) * half)]
  return [length * (cos * x - sin * y), length * (sin * x + cos * y)]
}

/**
 * Turns a root about the world's z axis through the origin: its place, quaternion and linear velocity. The angular
 * velocity is in its own frame and stays.
 *
 * @param qpos at least [7]
 * @param qvel at least [3]
 */
export function turnRoot(
  angle: number,
  qpos: Float64Array | number[],
  qvel: Float64Array | number[],
): void {
  if (angle === 0) return
  turnVector(angle, qpos, 0)
  const [cos, sin] = [Math.cos(angle / 2), Math.sin(angle / 2)]
  const [w, x, y, z] = [qpos[3], qpos[4], qpos[5], qpos[6]]
  qpos[3] = cos * w - sin * z
  qpos[4] = cos * x - sin * y
  qpos[5] = cos * y + sin * x
  qpos[6] = cos * z + sin * w
  turnVector(angle, qvel, 0)
}

/** Turns the vector at `offset` of an array about the world's z axis. */
export function turnVector(angle: number, vector: Float64Array | number[], offset: number): void {
  if (angle === 0) return
  const [cos, sin] = [Math.cos(angle), Math.sin(angle)]
  const [x, y] = [vector[offset], vector[offset + 1]]
  vector[offset] = cos * x - sin * y
  vector[offset + 1] = sin * x + cos * y
}

/** Moves a state to where it is some cycles later (fewer than 0: earlier). */
export function moveByCycles(
  motion: CycleMotion,
  cycles: number,
  qpos: Float64Array | number[],
  qvel: Float64Array | number[],
): void {
  turnRoot(cycles * motion.cycleTurn, qpos, qvel)
  const [x, y] = displacement(motion, cycles)
  qpos[0] += x
  qpos[1] += y
}
