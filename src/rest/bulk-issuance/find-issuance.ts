import type { Database } from '../../db/client.ts';
import type { Snapshot } from '../../tasks/snapshot.ts';
import { findTask } from '../../tasks/store.ts';

/** The project's issuance of this program; undefined for any other id, whoever has it. */
export async function findIssuance(
  db: Database,
  projectId: string,
  programId: string,
  taskId: string,
): Promise<Snapshot | undefined> {
  // An id of another form is nobody's, and need not be a text that Postgres takes.
  if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(taskId)) return undefined;
  const task = await findTask(db, projectId, taskId);
  return task?.model === 'BULK_ISSUANCE' && task.parameters.programId === programId ? task : undefined;
}
