import { randomInt, randomUUID } from 'node:crypto';
import type { TaskModel } from './state.ts';

/** Milliseconds of the wire format's epoch: 2016-05-04T00:00:00Z (contract of the async actions, section 2.3). */
const wireEpochMs = Date.UTC(2016, 4, 4);

/** An issuance is known by a UUID, an async action by `aa_` and 18 hex digits that encode when it was created. */
export function newTaskId(model: TaskModel, createdAt: Date): string {
  return model === 'BULK_ISSUANCE' ? randomUUID() : `aa_${timeOrderedHex(createdAt)}`;
}

/** The id of one request, told in bodies and logs: `v-` and 18 hex digits. */
export function newRequestId(at: Date = new Date()): string {
  return `v-${timeOrderedHex(at)}`;
}

/** 18 hex digits = 72 bits: 42 bits of milliseconds since the wire epoch, then 30 random bits. Sorts by time. */
export function timeOrderedHex(at: Date): string {
  const ms = at.getTime() - wireEpochMs;
  // In two halves of whole digits: the last two bits of the time stand before the random ones.
  const low = (ms % 4) * 2 ** 30 + randomInt(2 ** 30);
  return (
    Math.floor(ms / 4)
      .toString(16)
      .padStart(10, '0') + low.toString(16).padStart(8, '0')
  );
}
