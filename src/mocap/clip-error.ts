/** A motion that cannot be read or used: says where, what was expected, what came and what to do. */
export class ClipError extends Error {
  override readonly name = 'ClipError'
}
