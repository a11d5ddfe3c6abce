import type { Edit } from './edit.ts'

/** A motion that cannot be read or used: says where, what was expected, what came and what to do. */
export class ClipError extends Error {
  override readonly name = 'ClipError'

  /** @param mend a change of the file with which it can be used */
  constructor(
    message: string,
    readonly mend?: Edit,
  ) {
    super(message)
  }
}
