/**
 * Seeded random numbers: sfc32, a small fast counter generator of 128 bits of state (C. Doty-Humphrey, PractRand), its
 * state filled by splitmix32 from any number of keys. Every episode owns a stream keyed by (seed, episode), so what
 * happens in it does not depend on which worker runs it, nor on what ran before.
 */
export class Random {
  private readonly words = new Uint32Array(4)

  /** @param keys whole numbers, most significant first: `new Random(seed, episode)` */
  constructor(...keys: readonly number[]) {
    let hash = 0x9e3779b9
    for (const key of keys) {
      hash = mix(hash ^ (key >>> 0))
      // keys of more than 32 bits count in full
      hash = mix(hash + Math.floor(key / 2 ** 32))
    }
    for (let k = 0; k < 3; k++) {
      hash = (hash + 0x9e3779b9) >>> 0
      this.words[k] = mix(hash)
    }
    this.words[3] = 1
    for (let k = 0; k < 12; k++) this.next()
  }

  /** All there is to it, 4 words of 32 bits: `setState` continues from here. */
  get state(): [number, number, number, number] {
    return [...this.words] as [number, number, number, number]
  }

  setState(words: readonly [number, number, number, number]): void {
    this.words.set(words)
  }

  /** Uniform whole number of 32 bits. */
  next(): number {
    const s = this.words
    const value = (s[0] + s[1] + s[3]) >>> 0
    s[3]++
    s[0] = s[1] ^ (s[1] >>> 9)
    s[1] = s[2] + (s[2] << 3)
    s[2] = ((s[2] << 21) | (s[2] >>> 11)) + value
    return value
  }

  /** Uniform in [low, high), 32 bits fine. */
  uniform(low = 0, high = 1): number {
    return low + ((high - low) * this.next()) / 2 ** 32
  }

  /** Uniform whole number in [0, count). */
  index(count: number): number {
    return Math.floor(this.uniform(0, count))
  }

  /** Standard normal (Box and Muller; the second of the pair is dropped, so that the state is four words only). */
  normal(): number {
    const radius = Math.sqrt(-2 * Math.log(1 - this.uniform()))
    return radius * Math.cos(2 * Math.PI * this.uniform())
  }
}

// finaliser of splitmix32: a bijection of 32 bits in which every input bit reaches every output bit
function mix(word: number): number {
  let h = word >>> 0
  h = Math.imul(h ^ (h >>> 16), 0x21f0aaad)
  h = Math.imul(h ^ (h >>> 15), 0x735a2d97)
  return (h ^ (h >>> 15)) >>> 0
}
