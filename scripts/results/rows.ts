/**
 * The rows of results: what is run, in which order, and what comes next. Nothing here runs anything.
 */

/** A command that makes a policy. */
export type Method = 'apg' | 'sft' | 'trpo'

/** A clip that results are about. */
export interface Subject {
  readonly name: string
  /** as --clip takes it */
  readonly source: string
  /** whether it ships with webmimic; else it is one of DeepMimic's */
  readonly own: boolean
}

/** A run, and what of it goes into results.json. */
export interface Row {
  /** method-clip-seed, with `our` before the name of a clip that ships with webmimic; also the name of the run folder */
  readonly id: string
  readonly method: Method
  readonly subjects: readonly Subject[]
  readonly seed: number
  /** method of the rows in `after` */
  readonly from?: Method
  /** rows whose policies it starts from, or of sft is taught by */
  readonly after: readonly string[]
  /** arguments besides */
  readonly options: readonly string[]
  /** evaluated under noise and pushes too */
  readonly final: boolean
}

/** What decides which rows there are: the part of a result that rows look at. */
export type Known = Readonly<{ id: string; score: { readonly mean: number } }>

/** Clips that ship with webmimic, the most telling first. */
export const OWN = ['walk', 'run', 'jump', 'squat', 'punch']
/** Of DeepMimic's, those with three seeds, and practice after demonstrations whatever came before. */
const SEVERAL_SEEDS = ['walk', 'run', 'dance_a']
const KICKED = ['walk', 'run']
const KICKS = ['--kicks', '0.5']
/** What a policy for all clips is given beyond one for a single clip: units, since 256 do not hold fourteen motions. */
const LARGE = ['--hidden-size', '512', '--dagger-rounds', '6']
/** Where neither apg nor sft come to this score, trpo and apg go on from sft. */
const GOOD = 9

/** All rows, in the order in which they run; which clips need practice is known once apg and sft are. */
export function rowsOf(subjects: readonly Subject[], known: readonly Known[]): Row[] {
  const theirs = subjects.filter(({ own }) => !own)
  const named = (names: readonly string[]) => theirs.filter(({ name }) => names.includes(name))
  const below = (subject: Subject) => {
    const scores = [teacher(subject), student(subject)].map(
      ({ id }) => known.find((result) => result.id === id)?.score.mean,
    )
    return scores.every((score) => score !== undefined && score < GOOD)
  }
  const practised = subjects.filter(
    (subject) => named(SEVERAL_SEEDS).includes(subject) || below(subject),
  )
  const rows = [
    ...subjects.flatMap((subject) => [teacher(subject), student(subject)]),
    ...[2, 3].flatMap((seed) =>
      named(SEVERAL_SEEDS).flatMap((subject) => [teacher(subject, seed), student(subject, seed)]),
    ),
    ...named(KICKED).flatMap(kicked),
    ...named(['walk']).map((subject) => row('trpo', [subject])),
    ...practised.flatMap((subject) =>
      (['trpo', 'apg'] as const).map((method) => ({
        ...row(method, [subject], { after: [student(subject)] }),
        id: `${method}-sft-${label(subject)}-1`,
      })),
    ),
  ]
  if (theirs.length < 2) return rows
  const all = row('sft', theirs, {
    after: theirs.map((subject) => teacher(subject)),
    options: LARGE,
  })
  return [...rows, { ...all, id: 'sft-all-1' }]
}

interface More {
  readonly seed?: number
  readonly after?: readonly Row[]
  readonly options?: readonly string[]
  readonly final?: boolean
}

function row(
  method: Method,
  subjects: readonly Subject[],
  { seed = 1, after = [], options = [], final = false }: More = {},
): Row {
  return {
    ...{ id: `${method}-${subjects.map(label).join('-')}-${seed}`, method, subjects, seed },
    ...(after[0] && { from: after[0].method }),
    ...{ after: after.map(({ id }) => id), options, final },
  }
}

const label = ({ own, name }: Subject) => (own ? `our-${name}` : name)

const teacher = (subject: Subject, seed = 1) => row('apg', [subject], { seed })

const student = (subject: Subject, seed = 1) =>
  row('sft', [subject], { seed, after: [teacher(subject, seed)], final: seed === 1 })

function kicked(subject: Subject): Row[] {
  const more = { options: KICKS, final: true }
  const own = { ...row('apg', [subject], more), id: `apg-kicked-${label(subject)}-1` }
  const taught = row('sft', [subject], { ...more, after: [own] })
  return [own, { ...taught, id: `sft-kicked-${label(subject)}-1` }]
}

/** A row on the command line. */
export function argumentsOf(
  { id, method, subjects, after, seed, options }: Row,
  folderOf: (id: string) => string,
): string[] {
  const load = method === 'sft' ? '--load-teacher' : '--load-sft-pretrain'
  // trpo and apg know the clips of the run that they start from
  const clips = method !== 'sft' && after.length ? [] : subjects
  return [
    method,
    ...clips.flatMap(({ source }) => ['--clip', source]),
    ...after.flatMap((other) => [load, folderOf(other)]),
    ...['--seed', String(seed), ...options, '--out', folderOf(id)],
  ]
}

/** How it stands with a row. */
export interface Standing {
  readonly row: Row
  readonly state: 'done' | 'due' | 'waits' | 'failed'
  /** of one that waits or comes again */
  readonly why?: string
}

/**
 * How it stands with rows, in their order; those before another come earlier than that.
 *
 * @param known rows in results.json
 * @param runs rows whose finished run is here
 * @param failed rows that have failed and are not tried again
 */
export function standings(
  rows: readonly Row[],
  known: ReadonlySet<string>,
  runs: ReadonlySet<string>,
  failed: ReadonlySet<string>,
): Standing[] {
  const wanted = new Set(rows.map(({ id }) => id).filter((id) => !known.has(id)))
  // what is known but not here is run again where another row needs its policy
  const again = new Map<string, string>()
  for (const { id, after } of rows.toReversed()) {
    if (!wanted.has(id)) continue
    for (const other of after.filter((other) => !runs.has(other) && !wanted.has(other))) {
      wanted.add(other)
      again.set(other, id)
    }
  }
  return rows.map((row): Standing => {
    const { id, after } = row
    if (failed.has(id)) return { row, state: 'failed' }
    if (!wanted.has(id)) return { row, state: 'done' }
    const missing = after.filter((other) => !runs.has(other))
    if (missing.length) return { row, state: 'waits', why: `for ${missing.join(', ')}` }
    const reason = again.get(id)
    return { row, state: 'due', ...(reason && { why: `again: ${reason} needs its policy` }) }
  })
}

/** The row that runs next, and how many are left with it. */
export function next(all: readonly Standing[]): (Standing & { readonly left: number }) | undefined {
  const first = all.find(({ state }) => state === 'due')
  const left = all.filter(({ state }) => state === 'due' || state === 'waits').length
  return first && { ...first, left }
}
