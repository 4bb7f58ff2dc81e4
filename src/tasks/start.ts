import type { Tx } from '../db/client.ts';
import { ClientError } from '../errors.ts';
import { stageChunks } from './chunks.ts';
import type { EngineDeps } from './engine.ts';
import { checkSameRequest, fingerprintInput, insertKey, reserveKey } from './idempotency.ts';
import { newTaskId } from './ids.ts';
import { isStorable } from './input.ts';
import type { AnyOperation } from './operation.ts';
import { applyChunk } from './run.ts';
import type { Snapshot } from './snapshot.ts';
import type { TaskPriority } from './state.ts';
import { insertTask, markRunning, readClock, readTask } from './store.ts';
import { handOut } from './turns.ts';

export interface StartRequest {
  readonly operation: AnyOperation;
  /** Already valid by the operation's schema. */
  readonly input: unknown;
  readonly projectId: string;
  readonly requestId: string;
  readonly idempotencyKey?: string | undefined;
  /** Goes before the project's tasks of a lower one. */
  readonly priority?: TaskPriority | undefined;
  /** Who asks: an app id or a merchant. */
  readonly startedBy?: string | undefined;
  /** Apply everything before answering, instead of by a worker: for the few items of a synchronous start. */
  readonly inline?: boolean;
}

const maxKeyLength = 255;

/**
 * Starts a task: task, staged items and jobs are durable together when this returns, or nothing is. With an idempotency key
 * that was used for the same request before, returns that task. Throws a ClientError of the operation's plan,
 * IDEMPOTENCY_KEY_IN_USE or IDEMPOTENCY_KEY_REUSED.
 */
export async function startTask(deps: EngineDeps, request: StartRequest): Promise<Snapshot> {
  checkKey(request.idempotencyKey);
  const { task, isNew } = await deps.db.transaction().execute((tx) => startInTransaction(deps, tx, request));
  if (isNew) {
    deps.log.info('task.started', {
      task: task.id,
      operation: task.operation,
      total: task.total,
      project: task.projectId,
      request: task.requestId,
    });
    deps.publish(task);
  }
  return task;
}

async function startInTransaction(deps: EngineDeps, tx: Tx, request: StartRequest) {
  const { operation, projectId, idempotencyKey } = request;
  if (idempotencyKey === undefined) return { task: await writeTask(deps, tx, request, request.input), isNew: true };
  const scope = { projectId, operation: operation.name, key: idempotencyKey };
  const before = await reserveKey(tx, scope);
  const { input, fingerprint } = fingerprintInput(request.input);
  if (before !== undefined) {
    checkSameRequest(before.fingerprint, await fingerprint());
    const task = await readTask(tx, before.taskId);
    if (task === undefined) throw new Error(`the task ${before.taskId} of an idempotency key is gone`);
    return { task, isNew: false };
  }
  const task = await writeTask(deps, tx, request, input);
  await insertKey(tx, scope, await fingerprint(), task.id);
  return { task, isNew: true };
}

async function writeTask(deps: EngineDeps, tx: Tx, request: StartRequest, input: unknown): Promise<Snapshot> {
  const { operation, projectId, requestId } = request;
  const createdAt = await readClock(tx);
  const id = newTaskId(operation.model, createdAt);
  const plan = await operation.plan(input, { tx, projectId, limits: deps.limits });
  const { total, chunkCount } = await stageChunks(tx, id, plan.items, {
    chunkSize: operation.chunkSize,
    maxItems: deps.limits.maxItems,
  });
  const task = await insertTask(tx, {
    id,
    projectId,
    model: operation.model,
    operation: operation.name,
    parameters: plan.parameters,
    total,
    requestId,
    createdAt,
    priority: request.priority,
    startedBy: request.startedBy,
  });
  if (chunkCount === 0) return task;
  if (request.inline) return applyAll(tx, operation, task, chunkCount);
  await handOut(deps, tx, projectId);
  return task;
}

async function applyAll(tx: Tx, operation: AnyOperation, task: Snapshot, chunkCount: number): Promise<Snapshot> {
  let snapshot = (await markRunning(tx, task.id)) ?? task;
  for (let number = 0; number < chunkCount; number += 1) {
    const applied = await applyChunk(tx, operation, task, number);
    if (applied !== undefined) snapshot = applied.snapshot;
  }
  return snapshot;
}

function checkKey(key: string | undefined): void {
  if (key === undefined || (key.length >= 1 && key.length <= maxKeyLength && isStorable(key))) return;
  const message = `An Idempotency-Key has 1 to ${maxKeyLength} characters`;
  throw new ClientError('BAD_USER_INPUT', message, {
    issues: [{ path: ['idempotencyKey'], code: 'INVALID_IDEMPOTENCY_KEY', message }],
  });
}
