import { countOutcomes, type OutcomeCounts, type ToldOutcome } from '../tasks/dry-report.ts';
import { operationOf } from '../tasks/engine.ts';
import type { TracedFailure } from '../tasks/failures.ts';
import { estimatedCompletionOf, progressOf, rateOf, type Snapshot } from '../tasks/snapshot.ts';
import { findTaskAhead, hasTurn } from '../tasks/unfinished.ts';
import { type Builder, costs, type FieldBuilder, type InterfaceType, type ObjectType } from './builder.ts';
import { type Context, requireCaller } from './context.ts';
import type { Enums } from './enums.ts';
import type { TaskList } from './task-lists.ts';

/** The interface that both task models implement: everything in it comes from the snapshot, but for the failures. */
export function defineProgress(
  builder: Builder,
  enums: Enums,
  { failures, outcomes }: { readonly failures: TaskList<TracedFailure>; readonly outcomes: TaskList<ToldOutcome> },
): InterfaceType<Snapshot> {
  const counts = defineCounts(builder);
  const outcomeCounts = defineOutcomeCounts(builder);
  return builder.interfaceRef<Snapshot>('TaskProgress').implement({
    description:
      'What every bulk task tells, whichever model it belongs to. All of it is as of one `version`: the same on a query, ' +
      'a push and a REST poll. Only `ratePerSecond` and `estimatedCompletionAt` look at the clock besides, and become null when they are too old to be told.',
    resolveType: typeNameOf,
    fields: (t) => ({
      id: t.exposeID('id', {
        description: 'An issuance: its UUID. An async action: its `aa_…` id. `bulkTask(id:)` takes either.',
      }),
      state: t.expose('state', { type: enums.state, description: 'Where it stands.' }),
      kind: t.expose('kind', { type: enums.kind, description: 'What it does with its items.' }),
      priority: t.expose('priority', {
        type: enums.priority,
        description: "Which of the project's own tasks it goes before or after; as its start said.",
      }),
      dryRun: t.boolean({
        description: 'Whether it only tells what its items would come to, and writes nothing.',
        resolve: ({ kind }) => kind === 'DRY_RUN',
      }),
      version: t.exposeInt('version', { description: 'Grows with every committed change, from 1.' }),
      progress: t.float({
        description:
          'Per cent of the items that are processed, 0 to 100; never falls. 100 only once the task has SUCCEEDED.',
        resolve: progressOf,
      }),
      counts: t.field({ type: counts, description: 'How many items, by outcome.', resolve: (task) => task }),
      ratePerSecond: t.float({
        nullable: true,
        description:
          'Items a second: while it runs, of the last ten seconds or so; once it has ended, on average, pauses included. Null before ' +
          'there is a measurement of a second, while it is paused, and when it stalls: when nothing was processed for half a minute, or ' +
          'for three times as long as its chunks take. Then it is measured anew. Nothing is pushed when it becomes null.',
        resolve: rateOf,
      }),
      waitingReason: t.string({
        nullable: true,
        description:
          'Why a QUEUED task is not running yet: for want of a worker, because other tasks of the project go first, or because of a task that it names.',
        ...costs({ own: 20 }),
        resolve: (task, _args, context) => (task.state === 'QUEUED' ? readWaitingReason(context, task) : null),
      }),
      ...momentFields(t),
      outcomes: t.field({
        ...outcomes,
        nullable: true,
        resolve: (task, page, context) =>
          requireCaller(context) && (task.kind === 'DRY_RUN' ? outcomes.resolve(task, page, context) : null),
        description:
          'Of a dry run: what would become of each item so far, in row order; else null. FORBIDDEN to a watch token.',
      }),
      outcomeCounts: t.field({
        type: outcomeCounts,
        nullable: true,
        description: 'Of a dry run: how many items would come to each outcome, of those that are processed; else null.',
        ...costs({ own: 20 }),
        resolve: ({ id, kind, processed }, _args, { deps }) =>
          kind === 'DRY_RUN' ? countOutcomes(deps.db, id, processed) : null,
      }),
      failures: t.field({
        ...failures,
        description:
          'Why items were refused, in row order; while the task runs, those so far. FORBIDDEN to a watch token.',
      }),
    }),
  });
}

/** Names no other task to a watch token. */
async function readWaitingReason({ deps, caller }: Context, task: Snapshot): Promise<string> {
  const { db, engine } = deps;
  const operation = operationOf(engine.operations, task.operation);
  const ahead = operation.oneByOne && caller?.taskId === null ? await findTaskAhead(db, task) : undefined;
  if (ahead === undefined) return (await hasTurn(db, task.id)) ? 'Waiting for a free worker' : waitingForTurn;
  const paused = ahead.state === 'PAUSED' ? ', which is paused,' : '';
  return `Waiting for ${ahead.id}${paused} to end: a project's tasks of \`${operation.mutation.name}\` run one by one`;
}

const waitingForTurn = "Waiting for its turn among the project's other tasks";

/** Which member of `BulkTask` a task is. */
export function typeNameOf({ model }: Snapshot): 'BulkIssuanceTask' | 'AsyncAction' {
  return model === 'BULK_ISSUANCE' ? 'BulkIssuanceTask' : 'AsyncAction';
}

function momentFields(t: Pick<FieldBuilder<Snapshot>, 'expose' | 'field'>) {
  return {
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was started.' }),
    startedAt: t.expose('startedAt', { type: 'DateTime', nullable: true, description: 'When a worker began.' }),
    updatedAt: t.expose('updatedAt', { type: 'DateTime', description: 'When it last changed.' }),
    completedAt: t.expose('completedAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When it reached a final state.',
    }),
    estimatedCompletionAt: t.field({
      type: 'DateTime',
      nullable: true,
      description:
        'When a RUNNING task will end if it goes on at `ratePerSecond`; null when that cannot be told, or has passed.',
      resolve: estimatedCompletionOf,
    }),
  };
}

function defineCounts(builder: Builder): ObjectType<Snapshot> {
  return builder.objectRef<Snapshot>('TaskCounts').implement({
    description: 'Items of a task by outcome. `processed` is always `succeeded + failed`, and none of them ever falls.',
    fields: (t) => ({
      total: t.exposeInt('total', {
        nullable: true,
        description: 'All items of the task; null while that is not known.',
      }),
      processed: t.exposeInt('processed', { description: 'Those that are through.' }),
      succeeded: t.exposeInt('succeeded', { description: 'Those that were applied.' }),
      failed: t.exposeInt('failed', { description: 'Those that were refused; `failures` says why.' }),
    }),
  });
}

function defineOutcomeCounts(builder: Builder): ObjectType<OutcomeCounts> {
  return builder.objectRef<OutcomeCounts>('TaskOutcomeCounts').implement({
    description: 'What the items of a dry run that are processed would come to. Together they are `counts.processed`.',
    fields: (t) => ({
      created: t.exposeInt('CREATED', { description: 'Those that would make a record.' }),
      updated: t.exposeInt('UPDATED', { description: 'Those that would write to one.' }),
      skipped: t.exposeInt('SKIPPED', { description: 'Those that would leave theirs as it is.' }),
      failed: t.exposeInt('FAILED', { description: 'Those that would be refused.' }),
    }),
  });
}
