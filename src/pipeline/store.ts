/**
 * Where a run keeps its files: a folder in Node, the browser's private files in a page, or memory. Names have `/` between
 * folders. All is asynchronous, since a browser's files are.
 */
export interface Store {
  /** what a user would call it in a message: the path of a folder */
  readonly name: string
  has(file: string): Promise<boolean>
  /** @throws MissingFile */
  read(file: string): Promise<Uint8Array>
  /** Puts a file in place of what is there: all of it or, whatever happens, none. */
  write(file: string, bytes: Uint8Array): Promise<void>
  append(file: string, bytes: Uint8Array): Promise<void>
  /** Does nothing where there is none. */
  remove(file: string): Promise<void>
  /** Names of the files in it, those in its folders left out. */
  names(): Promise<string[]>
  /** The files below a folder, as a store of their own. */
  within(folder: string): Store
}

/** A file that is asked for and not there. */
export class MissingFile extends Error {
  override name = 'MissingFile'
  constructor(store: string, file: string) {
    super(`${store}/${file} is missing`)
  }
}

/** Keeps files for as long as it lives. */
export function memoryStore(name = 'memory', files = new Map<string, Uint8Array>()): Store {
  const within = (folder: string): Store => {
    const at = (file: string) => `${folder}${file}`
    const label = folder ? `${name}/${folder.slice(0, -1)}` : name
    return {
      name: label,
      has: async (file) => files.has(at(file)),
      async read(file) {
        const bytes = files.get(at(file))
        if (!bytes) throw new MissingFile(label, file)
        return bytes
      },
      async write(file, bytes) {
        files.set(at(file), bytes.slice())
      },
      async append(file, bytes) {
        const before = files.get(at(file)) ?? new Uint8Array(0)
        const all = new Uint8Array(before.length + bytes.length)
        all.set(before)
        all.set(bytes, before.length)
        files.set(at(file), all)
      },
      async remove(file) {
        files.delete(at(file))
      },
      names: async () =>
        [...files.keys()]
          .filter((file) => file.startsWith(folder) && !file.slice(folder.length).includes('/'))
          .map((file) => file.slice(folder.length)),
      within: (inner) => within(`${folder}${inner}/`),
    }
  }
  return within('')
}
