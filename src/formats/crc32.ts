/** Of the polynomial of IEEE 802.3, a byte at a time. */
const REMAINDERS = Uint32Array.from({ length: 256 }, (_, byte) => {
  let remainder = byte
  for (let bit = 0; bit < 8; bit++) remainder = (remainder >>> 1) ^ (remainder & 1 && 0xedb88320)
  return remainder
})

/** CRC-32 of parts one after another, a whole number from 0 on. */
export function crc32(...parts: readonly Uint8Array[]): number {
  let sum = 0xffffffff
  for (const bytes of parts) {
    for (const byte of bytes) sum = (sum >>> 8) ^ REMAINDERS[(sum ^ byte) & 0xff]
  }
  return (sum ^ 0xffffffff) >>> 0
}
