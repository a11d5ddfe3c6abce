/** What one worker simulates with: a simulator, the references, the experts; made once from one configuration. */
import type { Clip } from '../mocap/clip.ts'
import { allowedContacts, type Contacts } from '../mocap/ground.ts'
import { type ActionMode, Environment } from './environment.ts'
import { createExpert, type Expert } from './experts.ts'
import type { HumanoidOptions } from './humanoid.ts'
import { Reference } from './reference.ts'
import { createSimulator, type Simulator } from './simulator.ts'

export interface SimulationConfig {
  /** one or more: several are for a policy that learns them all */
  readonly clips: readonly ClipSetup[]
  /** of all episodes; default 0 */
  readonly seed?: number
  /** what an action is; default `offset` */
  readonly mode?: ActionMode
  /** length of an episode, s; default 20 */
  readonly episodeSeconds?: number
  readonly humanoid?: HumanoidOptions
  /** by name of the expert, what it needs to know of each clip beyond the reference */
  readonly experts?: Readonly<Record<string, readonly unknown[]>>
}

export interface ClipSetup {
  readonly clip: Clip
  /** what may touch the floor; by default what the clip's own motion does */
  readonly contacts?: Contacts
}

export class World {
  readonly references: readonly Reference[]
  private readonly experts = new Map<string, Expert>()

  /** MuJoCo is compiled once a thread, however many worlds are made there. */
  static async create(config: SimulationConfig): Promise<World> {
    return new World(config, await createSimulator(config.humanoid))
  }

  private constructor(
    readonly config: SimulationConfig,
    readonly simulator: Simulator,
  ) {
    if (config.clips.length === 0) throw new Error('a simulation needs at least one clip, got none')
    this.references = config.clips.map(
      ({ clip, contacts }) => new Reference(simulator, clip, contacts ?? allowedContacts(clip)),
    )
  }

  /** A new environment for a clip of the configuration. */
  environment(clip = 0): Environment {
    return new Environment(this.simulator, this.reference(clip), this.config)
  }

  /** The expert of that name for a clip; the same one every time. */
  expert(name: string, clip = 0): Expert {
    const key = `${name} ${clip}`
    let expert = this.experts.get(key)
    if (!expert) {
      const parameters = this.config.experts?.[name]?.[clip]
      expert = createExpert(name, this.simulator, this.reference(clip), parameters)
      this.experts.set(key, expert)
    }
    return expert
  }

  close(): void {
    this.simulator.close()
  }

  private reference(clip: number): Reference {
    const reference = this.references[clip]
    if (reference) return reference
    throw new Error(`there are clips 0 to ${this.references.length - 1}, got ${clip}`)
  }
}
