import { readFile } from 'node:fs/promises';
import { openDatabase } from '../../src/db/client.ts';
import { createLog } from '../../src/log.ts';
import { createTaskReader } from '../../src/progress/task-reader.ts';
import type { Snapshot } from '../../src/tasks/snapshot.ts';
import { findTask } from '../../src/tasks/store.ts';
import { toView, type View } from '../fanout/peer.ts';

/** The schema that the peers serve: the committed one. */
export const typeDefs = await readFile(new URL('../../schema/schema.graphql', import.meta.url), 'utf8');

/** The resolver of `Query.bulkTask` at every peer, over a pool like a gateway's. */
export type Resolver = (root: unknown, args: { readonly id: string }) => Promise<View | null>;

/** Reads from `DATABASE_URL` for the project `PROJECT_ID`: with `READS=shared` as a gateway does, else one query a request. */
export function openResolver(): Resolver {
  const { DATABASE_URL = '', PROJECT_ID = '', READS } = process.env;
  const options = { url: DATABASE_URL, maxConnections: 10, applicationName: 'bench peer', log: createLog('warn') };
  const { db } = openDatabase(options);
  const reader = createTaskReader(db);
  const read = READS === 'shared' ? (id: string) => reader.read(id) : (id: string) => findTask(db, PROJECT_ID, id);
  return async (_root, { id }) => toOwn(await read(id), PROJECT_ID);
}

function toOwn(task: Snapshot | undefined, projectId: string): View | null {
  return task?.projectId === projectId ? toView(task) : null;
}
