import type { Tx } from '../db/client.ts';
import { forgetDryRun } from './dry-run.ts';
import type { EngineDeps } from './engine.ts';
import type { AnyOperation } from './operation.ts';
import type { Snapshot } from './snapshot.ts';

/** What is due in the transaction that ends a task. Only a task that applies its items has begun what its operation has to end. */
export async function settleEnded(
  { entered }: Pick<EngineDeps, 'entered'>,
  tx: Tx,
  operation: AnyOperation,
  task: Snapshot,
): Promise<void> {
  if (task.kind === 'DRY_RUN') await forgetDryRun(tx, task.id);
  if (task.kind === 'RUN') {
    const context = { tx, taskId: task.id, projectId: task.projectId, parameters: task.parameters };
    await (task.state === 'SUCCEEDED' ? operation.finish?.(context) : operation.abandon?.(context));
  }
  await entered(tx, task);
}
