import type { PolledTasks } from '../../progress/polled-tasks.ts';
import type { Snapshot } from '../../tasks/snapshot.ts';

/** The project's issuance of this program; undefined for any other id, whoever has it. */
export async function findIssuance(
  polled: PolledTasks,
  projectId: string,
  programId: string,
  taskId: string,
): Promise<Snapshot | undefined> {
  // An id of another form is nobody's, and need not be a text that Postgres takes.
  if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(taskId)) return undefined;
  const task = await polled.read(projectId, taskId);
  return task !== undefined && isIssuanceOf(task, programId) ? task : undefined;
}

export function isIssuanceOf(task: Snapshot, programId: string | undefined): boolean {
  return task.model === 'BULK_ISSUANCE' && task.kind === 'RUN' && task.parameters.programId === programId;
}
