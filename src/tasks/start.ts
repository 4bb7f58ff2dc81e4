import type { Tx } from '../db/client.ts';
import { ClientError } from '../errors.ts';
import { stageChunks } from './chunks.ts';
import { watchNames } from './dry-run.ts';
import type { EngineDeps } from './engine.ts';
import { checkSameRequest, fingerprintInput, type IdempotencyScope, keepKey, reserveKey } from './idempotency.ts';
import { newTaskId } from './ids.ts';
import { isStorable } from './input.ts';
import type { AnyOperation, Plan } from './operation.ts';
import { applyChunk } from './run.ts';
import type { Snapshot } from './snapshot.ts';
import type { TaskPriority } from './state.ts';
import { insertTask, markRunning, type NewTask, readClock, readTask } from './store.ts';
import { handOut } from './turns.ts';

/** Who asks for a task, and the key that makes it safe to ask again. */
export interface KeyedRequest {
  readonly projectId: string;
  readonly requestId: string;
  readonly idempotencyKey?: string | undefined;
  /** Told until when the key stands for this task, before the start is answered. */
  readonly keyKept?: ((until: Date) => void) | undefined;
}

export interface StartRequest extends KeyedRequest {
  readonly operation: AnyOperation;
  /** Already valid by the operation's schema. */
  readonly input: unknown;
  /** Goes before the project's tasks of a lower one. */
  readonly priority?: TaskPriority | undefined;
  /** Who asks: an app id or a merchant. */
  readonly startedBy?: string | undefined;
  /** Only tell what it would come to; the operation must tell its records. */
  readonly isDryRun?: boolean;
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
  const { operation, input, isDryRun } = request;
  const asked = { operation: isDryRun ? `${operation.name} (dry run)` : operation.name, input };
  return startOnce(deps, request, asked, async (tx, read) => ({
    task: await writeTask(deps, tx, request, read),
    isNew: true,
  }));
}

/** What a start comes to: a new task, or one that was there and does instead. */
export interface Started {
  readonly task: Snapshot;
  readonly isNew: boolean;
}

/**
 * Runs `write` in one transaction, and logs and publishes a new task after it. With an idempotency key that was used for the same
 * `operation` (stored with the key: never changed) and input before, returns that task instead. Throws what `write` does,
 * IDEMPOTENCY_KEY_IN_USE or IDEMPOTENCY_KEY_REUSED.
 */
export async function startOnce<Input>(
  deps: EngineDeps,
  { projectId, idempotencyKey: key, keyKept }: KeyedRequest,
  { operation, input }: { readonly operation: string; readonly input: Input },
  write: (tx: Tx, input: Input) => Promise<Started>,
): Promise<Snapshot> {
  checkKey(key);
  const scope = key === undefined ? undefined : { projectId, operation, key, keepDays: deps.keepKeysDays };
  const { task, isNew, keyExpiresAt } = await deps.db
    .transaction()
    .execute((tx) => oncePerKey(tx, scope, input, (read) => write(tx, read)));
  if (keyExpiresAt !== undefined) keyKept?.(keyExpiresAt);
  if (isNew) {
    logStart(deps, task);
    deps.publish(task);
  }
  return task;
}

function logStart({ log }: EngineDeps, task: Snapshot): void {
  const { id, kind, operation, total, projectId: project, requestId: request, parentId } = task;
  log.info('task.started', { task: id, kind, operation, total, project, request, parent: parentId ?? undefined });
}

async function oncePerKey<Input>(
  tx: Tx,
  scope: (IdempotencyScope & { readonly keepDays: number }) | undefined,
  given: Input,
  write: (input: Input) => Promise<Started>,
): Promise<Started & { readonly keyExpiresAt?: Date }> {
  if (scope === undefined) return write(given);
  const before = await reserveKey(tx, scope);
  const { input, fingerprint } = fingerprintInput(given);
  if (before !== undefined) {
    checkSameRequest(before.fingerprint, await fingerprint());
    const task = await readTask(tx, before.taskId);
    if (task === undefined) throw new Error(`the task ${before.taskId} of an idempotency key is gone`);
    return { task, isNew: false, keyExpiresAt: before.expiresAt };
  }
  const started = await write(input);
  const use = { taskId: started.task.id, fingerprint: await fingerprint() };
  return { ...started, keyExpiresAt: await keepKey(tx, scope, use, scope.keepDays) };
}

async function writeTask(deps: EngineDeps, tx: Tx, request: StartRequest, input: unknown): Promise<Snapshot> {
  const { operation, projectId, requestId, priority, startedBy, isDryRun = false } = request;
  const createdAt = await readClock(tx);
  const plan = await operation.plan(input, { tx, projectId, limits: deps.limits, isDryRun });
  const { task, chunkCount } = await stageTask(deps, tx, operation, plan, {
    projectId,
    requestId,
    createdAt,
    priority,
    startedBy,
    kind: isDryRun ? 'DRY_RUN' : 'RUN',
  });
  if (chunkCount === 0) return task;
  if (request.inline) return applyAll(deps, tx, operation, task, chunkCount);
  await handOut(deps, tx, projectId);
  return task;
}

/** Writes a planned task and its items; nobody works on it yet. */
export async function stageTask(
  deps: EngineDeps,
  tx: Tx,
  operation: AnyOperation,
  { parameters, items }: Plan,
  task: Omit<NewTask, 'id' | 'model' | 'operation' | 'parameters' | 'total'>,
): Promise<{ task: Snapshot; chunkCount: number }> {
  const { name, model, chunkSize } = operation;
  const { records } = operation;
  const id = newTaskId(model, task.createdAt);
  const isWatched = task.kind === 'DRY_RUN' && records !== undefined && !records.meetAll && !('count' in items);
  const watched = isWatched ? watchNames(tx, { records, parameters }, items) : undefined;
  const options = { chunkSize, maxItems: deps.limits.maxItems };
  const { total, chunkCount } = await stageChunks(tx, id, watched?.items ?? items, options);
  const stored = await insertTask(tx, { ...task, id, model, operation: name, parameters, total });
  await watched?.settle(id, task.projectId);
  await deps.entered(tx, stored);
  return { task: stored, chunkCount };
}

async function applyAll(
  deps: EngineDeps,
  tx: Tx,
  operation: AnyOperation,
  task: Snapshot,
  chunkCount: number,
): Promise<Snapshot> {
  let snapshot = (await markRunning(tx, task.id)) ?? task;
  await deps.entered(tx, snapshot);
  for (let number = 0; number < chunkCount; number += 1) {
    const applied = await applyChunk(deps, tx, operation, task, number);
    if (applied !== undefined) snapshot = applied.snapshot;
  }
  return snapshot;
}

/** Throws BAD_USER_INPUT unless it can be an idempotency key. */
function checkKey(key: string | undefined): void {
  if (key === undefined || (key.length >= 1 && key.length <= maxKeyLength && isStorable(key))) return;
  const message = `An Idempotency-Key has 1 to ${maxKeyLength} characters`;
  throw new ClientError('BAD_USER_INPUT', message, {
    issues: [{ path: ['idempotencyKey'], code: 'INVALID_IDEMPOTENCY_KEY', message }],
  });
}
