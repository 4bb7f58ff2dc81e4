import type { Tx } from '../db/client.ts';
import { storeReport, takeChunk } from './chunks.ts';
import { applyDry } from './dry-run.ts';
import { settleEnded } from './ending.ts';
import { type EngineDeps, operationOf } from './engine.ts';
import { insertFailures } from './failures.ts';
import { faultOf, RedactedError } from './faults.ts';
import { applyIsolated, type Isolation } from './isolate.ts';
import type { ChunkJob } from './jobs.ts';
import type { AnyOperation, ApplyContext, Chunk, Outcome } from './operation.ts';
import type { Snapshot } from './snapshot.ts';
import { isFinal, type TaskKind } from './state.ts';
import { settleCanceling } from './steer.ts';
import { countChunk, failTask, markRunning, readTask, TaskEnded } from './store.ts';
import { handOut, leaveLine, passTurn, setAside } from './turns.ts';
import { undoing } from './undo.ts';

/** At which try the items are looked for that throw: by the fifth, 15 s or more after the first, it was not the moment. */
const isolatingTry = { ITEM: 2, UNKNOWN: 5, OUTAGE: Number.POSITIVE_INFINITY } as const;
/** What is no outage and cannot be laid to items ends the task at this one. */
const lastTry = 20;
/** Of items that were isolated for the same reason. */
const loggedRows = 100;

/** Applies one chunk, once: run again after its commit it does nothing, before it everything. Throws to be tried again. */
export async function runChunk(deps: EngineDeps, { taskId, chunk }: ChunkJob, tries = 1): Promise<void> {
  const task = await beginTask(deps, taskId);
  if (task === undefined) return;
  if (chunk === null || task.state !== 'RUNNING') return standAside(deps, task, chunk);
  try {
    await tryChunk(deps, task, chunk, tries);
  } catch (error) {
    if (error instanceof TaskEnded) return standAside(deps, task, chunk);
    await settleCanceling(deps, taskId);
    if (faultOf(error) !== 'OUTAGE' && tries >= lastTry) return giveUpChunk(deps, { taskId, chunk });
    await setAside(deps, task, chunk);
    throw error;
  }
}

async function tryChunk(deps: EngineDeps, task: Snapshot, chunk: number, tries: number): Promise<void> {
  try {
    await commitChunk(deps, task, chunk, applyWhole);
  } catch (error) {
    if (error instanceof TaskEnded || tries < isolatingTry[faultOf(error)]) throw error;
    await settleCanceling(deps, task.id);
    await isolateChunk(deps, task, chunk, tries);
  }
}

/** Applies what can be applied of a chunk. */
async function isolateChunk(deps: EngineDeps, task: Snapshot, chunk: number, tries: number): Promise<void> {
  const isolation: Isolation = { blame: blameAt(tries), hasOthers: task.processed > 0, isolated: [] };
  await commitChunk(deps, task, chunk, (...given) => applyIsolated(...given, isolation));
  const isolated = isolation.isolated.map(({ row, error }) => ({ row, error: new RedactedError(error) }));
  for (const alike of Map.groupBy(isolated, ({ error }) => error.stack).values()) {
    const rows = alike.slice(0, loggedRows).map(({ row }) => row);
    const { id, operation } = task;
    deps.log.warn('items.isolated', { task: id, chunk, operation, count: alike.length, rows, error: alike[0]?.error });
  }
}

function blameAt(tries: number): Isolation['blame'] {
  if (tries < isolatingTry.UNKNOWN) return 'NONE';
  return tries < lastTry ? 'AMONG_OTHERS' : 'A_FEW';
}

type Apply = (operation: AnyOperation, chunk: Chunk<unknown>, context: ApplyContext) => Promise<Outcome>;

const applyWhole: Apply = (operation, chunk, context) => operation.apply(chunk, context);

async function commitChunk(deps: EngineDeps, task: Snapshot, chunk: number, apply: Apply): Promise<void> {
  const operation = operationOf(deps.operations, task.operation);
  const startedMs = performance.now();
  try {
    const applied = await deps.db.transaction().execute(async (tx) => {
      const outcome = await applyChunk(deps, tx, operation, task, chunk, apply);
      await passTurn(deps, tx, outcome?.snapshot ?? task, chunk, performance.now() - startedMs);
      return outcome;
    });
    if (applied === undefined) return;
    deps.publish(applied.snapshot);
    reportChunk(deps, chunk, applied, performance.now() - startedMs);
    if (applied.snapshot.state === 'CANCELING') await settleCanceling(deps, task.id);
  } catch (error) {
    if (error instanceof TaskEnded) throw error;
    deps.metrics.chunkErrors.inc({ operation: operation.name });
    const fault = faultOf(error);
    const shown = fault === 'OUTAGE' ? error : new RedactedError(error);
    deps.log.warn('chunk.rolled_back', { task: task.id, chunk, operation: operation.name, fault, error: shown });
    throw error;
  }
}

/** The task of a job, RUNNING from now on if it was QUEUED. */
async function beginTask(deps: EngineDeps, id: string): Promise<Snapshot | undefined> {
  const task = await readTask(deps.db, id);
  if (task?.state !== 'QUEUED') return task;
  return (await announceRunning(deps, task)) ?? readTask(deps.db, id);
}

/** What is left of a job whose task is paused, being canceled or over: to end its turn, and the task if it waits for that. */
async function standAside(deps: EngineDeps, task: Snapshot, chunk: number | null): Promise<void> {
  await settleCanceling(deps, task.id);
  if (chunk !== null) return deps.db.transaction().execute((tx) => passTurn(deps, tx, task, chunk));
  // Whoever has it in hand is to end it, and may die before. The job is tried again until it is ended.
  if ((await readTask(deps.db, task.id))?.state === 'CANCELING') throw new Error('somebody has the task in hand');
}

export interface AppliedChunk {
  /** The task as of this chunk's commit. */
  readonly snapshot: Snapshot;
  readonly succeeded: number;
  readonly failed: number;
}

/** Everything of one chunk, in the caller's transaction: effects, failures, counters and the ledger. Nothing when the chunk
 *  is applied already. */
export async function applyChunk(
  deps: Pick<EngineDeps, 'entered'>,
  tx: Tx,
  operation: AnyOperation,
  task: Snapshot,
  number: number,
  apply = applyWhole,
): Promise<AppliedChunk | undefined> {
  const chunk = await takeChunk(tx, task.id, number);
  if (chunk === undefined) return undefined;
  const context = { tx, taskId: task.id, projectId: task.projectId, parameters: task.parameters };
  const { failures, report } = await applyAs(task.kind, apply, operation, chunk, context);
  await insertFailures(tx, task.id, failures);
  if (report !== undefined) await storeReport(tx, task.id, number, report);
  const failed = failures.length;
  const succeeded = chunk.size - failed;
  const snapshot = await countChunk(tx, task.id, succeeded, failed);
  if (isFinal(snapshot.state)) await settleEnded(deps, tx, operation, snapshot);
  return { snapshot, succeeded, failed };
}

function applyAs(kind: TaskKind, apply: Apply, operation: AnyOperation, chunk: Chunk<unknown>, context: ApplyContext) {
  switch (kind) {
    case 'RUN':
      return apply(operation, chunk, context);
    case 'DRY_RUN':
      return applyDry(operation, chunk, context, apply);
    case 'UNDO':
      return apply(undoing(operation), chunk, context);
  }
}

/** Ends the task of a chunk that failed every time it was tried. */
export async function giveUpChunk(deps: EngineDeps, job: ChunkJob): Promise<void> {
  const error = `Rows could not be processed because of an internal error; reference ${job.taskId}/${job.chunk}`;
  const snapshot = await deps.db.transaction().execute(async (tx) => {
    const failed = await failTask(tx, job.taskId, error);
    if (failed === undefined) return undefined;
    await settleEnded(deps, tx, operationOf(deps.operations, failed.operation), failed);
    await leaveLine(tx, [failed.id]);
    await handOut(deps, tx, failed.projectId);
    return failed;
  });
  if (snapshot === undefined) return;
  deps.log.error('task.failed', { task: snapshot.id, chunk: job.chunk, operation: snapshot.operation });
  deps.metrics.tasksEnded.inc({ operation: snapshot.operation, state: snapshot.state });
  deps.publish(snapshot);
}

async function announceRunning(deps: EngineDeps, task: Snapshot): Promise<Snapshot | undefined> {
  const running = await deps.db.transaction().execute(async (tx) => {
    const marked = await markRunning(tx, task.id);
    if (marked !== undefined) await deps.entered(tx, marked);
    return marked;
  });
  if (running === undefined) return undefined;
  deps.log.info('task.running', { task: task.id, operation: task.operation, total: task.total });
  deps.publish(running);
  return running;
}

function reportChunk(deps: EngineDeps, chunk: number, applied: AppliedChunk, ms: number): void {
  const { snapshot, succeeded, failed } = applied;
  const { id: task, operation, state, version } = snapshot;
  deps.metrics.chunkSeconds.observe({ operation }, ms / 1000);
  deps.metrics.itemsApplied.inc({ operation, outcome: 'succeeded' }, succeeded);
  deps.metrics.itemsApplied.inc({ operation, outcome: 'failed' }, failed);
  deps.log.debug('chunk.committed', { task, chunk, version, succeeded, failed, ms: Math.round(ms) });
  if (!isFinal(state)) return;
  deps.metrics.tasksEnded.inc({ operation, state });
  const taskMs = snapshot.updatedAt.getTime() - snapshot.createdAt.getTime();
  deps.log.info('task.ended', {
    task,
    operation,
    state,
    succeeded: snapshot.succeeded,
    failed: snapshot.failed,
    ms: taskMs,
  });
}
