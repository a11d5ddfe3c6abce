import { type Unzipped, unzipSync } from 'fflate'

/** Deflate makes nothing smaller than this (RFC 1951: 258 bytes of 2 bits). */
const MOST_PACKED = 1032
/** What a zip may hold in all, bytes: 2 GiB. */
const MOST_BYTES = 2 ** 31

/**
 * The files of a zip, by name.
 * @param wanted whether a file is to be unpacked, by its name; default: all are
 * @throws Error saying why it cannot be unpacked; what it says of its sizes takes no memory before it is plausible
 */
export function unzip(bytes: Uint8Array, wanted = (_name: string) => true): Unzipped {
  let total = 0
  try {
    return unzipSync(bytes, {
      filter: ({ name, size, originalSize }) => {
        if (!wanted(name)) return false
        total += originalSize
        if (total > MOST_BYTES) throw new Unpackable('it would be larger than 2 GiB')
        if (originalSize > MOST_PACKED * size)
          throw new Unpackable('its sizes contradict each other')
        return true
      },
    })
  } catch (error) {
    // fflate's own errors have a code
    const known = error instanceof Unpackable || 'code' in (error as object)
    throw new Unpackable(known ? (error as Error).message : 'it is damaged')
  }
}

class Unpackable extends Error {}
