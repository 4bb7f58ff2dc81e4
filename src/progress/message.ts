import { z } from 'zod';
import type { JsonObject } from '../db/tables.ts';
import type { Snapshot } from '../tasks/snapshot.ts';
import { isPriority, type TaskPriority, taskKinds, taskModels, taskStates } from '../tasks/state.ts';

/** A snapshot as the bus carries it between processes: JSON, times in RFC 3339. */
export function encodeSnapshot(snapshot: Snapshot): string {
  return JSON.stringify(snapshot);
}

/** Reads what `encodeSnapshot` wrote. Throws when the text is anything else, such as a message of another release. */
export function decodeSnapshot(text: string): Snapshot {
  return message.parse(JSON.parse(text));
}

const time = z.iso.datetime().transform((text) => new Date(text));
const count = z.int().nonnegative();

const message = z.compile(
  z.object({
    id: z.string(),
    projectId: z.string(),
    model: z.enum(taskModels),
    operation: z.string(),
    kind: z.enum(taskKinds),
    priority: z.custom<TaskPriority>(isPriority, 'expected a priority'),
    parameters: z.custom<JsonObject>(isObject, 'expected an object'),
    state: z.enum(taskStates),
    version: z.int().positive(),
    total: count,
    processed: count,
    succeeded: count,
    failed: count,
    error: z.string().nullable(),
    requestId: z.string(),
    parentId: z.string().nullable(),
    changedBy: z.string().nullable(),
    changeReason: z.string().nullable(),
    rate: z.object({ perSecond: z.number().nonnegative(), until: time.nullable() }).nullable(),
    createdAt: time,
    startedAt: time.nullable(),
    updatedAt: time,
    completedAt: time.nullable(),
  }),
);

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
