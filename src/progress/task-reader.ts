import type { Database } from '../db/client.ts';
import type { Snapshot } from '../tasks/snapshot.ts';
import { readTasks } from '../tasks/store.ts';

export interface TaskReader {
  /** The task as of now or later, whatever its project; undefined when there is none. Rejects when the database is away. */
  read(id: string): Promise<Snapshot | undefined>;
}

/** Reads single tasks, one query at a time: those asked for meanwhile share the next one. When thousands of subscribers
 *  come back at once, that is a few queries instead of thousands. */
export function createTaskReader(db: Database): TaskReader {
  let next: Batch | undefined;
  let isReading = false;
  const readAll = async () => {
    isReading = true;
    for (let batch = next; batch !== undefined; batch = next) {
      next = undefined;
      await readBatch(db, batch);
    }
    isReading = false;
  };
  return {
    read: async (id) => {
      const batch: Batch = next ?? { ids: new Set(), tasks: Promise.withResolvers() };
      next = batch;
      batch.ids.add(id);
      if (!isReading) void readAll();
      return (await batch.tasks.promise).get(id);
    },
  };
}

interface Batch {
  readonly ids: Set<string>;
  readonly tasks: PromiseWithResolvers<ReadonlyMap<string, Snapshot>>;
}

async function readBatch(db: Database, { ids, tasks }: Batch): Promise<void> {
  try {
    const found = await readTasks(db, [...ids]);
    tasks.resolve(new Map(found.map((task) => [task.id, task])));
  } catch (error) {
    tasks.reject(error);
  }
}
