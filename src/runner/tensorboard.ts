/**
 * Event files for TensorBoard: scalars, as TFRecords of `Event` messages (tensorflow/core/util/event.proto and
 * summary.proto). A record is length (8 bytes), its masked CRC, the message, its masked CRC.
 */

import { appendFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import protobuf from 'protobufjs'
import { onDisk } from './disk.ts'

const { root } = protobuf.parse(
  `syntax = "proto3";
   message Value { string tag = 1; float simple_value = 2; }
   message Summary { repeated Value value = 1; }
   message Event { double wall_time = 1; int64 step = 2; string file_version = 3; Summary summary = 5; }`,
  { keepCase: true },
)
const Event = root.lookupType('Event')

export class EventWriter {
  private readonly file: string

  /** Begins a new event file in the folder, beside those of earlier sessions: TensorBoard reads them all. */
  constructor(folder: string) {
    const seconds = (Date.now() / 1000).toFixed(0)
    this.file = join(folder, `events.out.tfevents.${seconds}.${hostname()}.${process.pid}`)
    this.write({ wall_time: Date.now() / 1000, file_version: 'brain.Event:2' })
  }

  /** Adds scalars at a step; what is not finite is left out. */
  scalars(step: number, values: Readonly<Record<string, number>>): void {
    const value = Object.entries(values)
      .filter(([, number]) => Number.isFinite(number))
      .map(([tag, number]) => ({ tag, simple_value: number }))
    this.write({ wall_time: Date.now() / 1000, step, summary: { value } })
  }

  private write(event: object): void {
    const bytes = record(Event.encode(Event.create(event)).finish())
    onDisk(`${this.file} cannot be written`, () => appendFileSync(this.file, bytes))
  }
}

/** A message as a TFRecord. */
export function record(message: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(8 + 4 + message.length + 4)
  const view = new DataView(bytes.buffer)
  view.setBigUint64(0, BigInt(message.length), true)
  view.setUint32(8, maskedCrc(bytes.subarray(0, 8)), true)
  bytes.set(message, 12)
  view.setUint32(12 + message.length, maskedCrc(message), true)
  return bytes
}

// CRC-32C (Castagnoli), reflected, by a table
const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1
  return crc
})

/** CRC-32C, rotated and offset so that the checksum of data that holds checksums is sound (TFRecord's format). */
export function maskedCrc(bytes: Uint8Array): number {
  let crc = 0xffffffff
  for (const byte of bytes) crc = (crc >>> 8) ^ TABLE[(crc ^ byte) & 0xff]
  crc = ~crc >>> 0
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0
}
