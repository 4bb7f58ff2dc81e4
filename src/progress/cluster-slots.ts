import { z } from 'zod';

/** A run of hash slots and the primary (`host:port`) that serves them. */
export interface SlotRange {
  readonly first: number;
  readonly last: number;
  readonly node: string;
}

export const slotCount = 16_384;

/** The hash slot of a channel that has no braces: CRC-16 (XMODEM) of its ASCII, as the Redis Cluster specification has it. */
export function slotOf(channel: string): number {
  let crc = 0;
  for (let index = 0; index < channel.length; index += 1) {
    crc ^= channel.charCodeAt(index) << 8;
    for (let bit = 0; bit < 8; bit += 1) crc = crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1;
  }
  return (crc & 0xffff) % slotCount;
}

/** Reads the answer of CLUSTER SLOTS. A node without an address is at `askedHost`. Throws when it names no slots. */
export function readSlots(answer: unknown, askedHost: string): SlotRange[] {
  const ranges = slots.parse(answer);
  if (ranges.length === 0) throw new Error(`${askedHost} knows no slots: it is no part of a Redis Cluster`);
  return ranges.map(([first, last, [host, port]]) => ({ first, last, node: `${host || askedHost}:${port}` }));
}

const node = z.tuple([z.string().nullable(), z.int()]).rest(z.unknown());
const slots = z.array(z.tuple([z.int(), z.int(), node]).rest(z.unknown()));

/** Where the error of a node says that a slot is served; undefined when it says something else. */
export function readRedirection(error: unknown, askedHost: string): SlotRange | undefined {
  const message = error instanceof Error ? error.message : '';
  const [, slot, host, port] = /^MOVED (\d+) (.*):(\d+)$/.exec(message) ?? [];
  if (slot === undefined) return undefined;
  return { first: Number(slot), last: Number(slot), node: `${host || askedHost}:${port}` };
}
