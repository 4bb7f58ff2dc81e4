import { cardsCsvPath, type GiftCard } from '../domain/gift-cards.ts';
import {
  asyncActionStatusOf,
  bulkIssuanceStatusOf,
  issuanceCountsOf,
  issuanceErrorOf,
  operationStatusOf,
  processingTimeOf,
} from '../tasks/results.ts';
import type { Snapshot } from '../tasks/snapshot.ts';
import type { Builder, FieldBuilder, InterfaceType, ObjectType, UnionType } from './builder.ts';
import { type Context, requireCaller } from './context.ts';
import type { Enums } from './enums.ts';
import { typeNameOf } from './progress.ts';
import { actionTypeOf, type ResultType } from './results.ts';
import type { TaskList } from './task-lists.ts';

/** A task may be older than the 24 days of milliseconds that an Int holds. */
const greatestInt = 2_147_483_647;

export interface TaskTypes {
  readonly issuance: ObjectType<Snapshot>;
  readonly action: ObjectType<Snapshot>;
  readonly either: UnionType<Snapshot>;
}

export function defineTasks(
  builder: Builder,
  parts: { enums: Enums; progress: InterfaceType<Snapshot>; cards: TaskList<GiftCard>; result: ResultType },
): TaskTypes {
  const issuance = defineIssuance(builder, parts);
  const action = defineAction(builder, parts);
  const either = builder.unionType('BulkTask', {
    description: 'A bulk task of either model. Ask for `... on TaskProgress` to get what both tell.',
    types: [issuance, action],
    resolveType: typeNameOf,
  });
  return { issuance, action, either };
}

function defineIssuance(
  builder: Builder,
  { enums, progress, cards }: { enums: Enums; progress: InterfaceType<Snapshot>; cards: TaskList<GiftCard> },
): ObjectType<Snapshot> {
  return builder.objectRef<Snapshot>('BulkIssuanceTask').implement({
    description: 'Gift cards of one program that are issued in bulk: a number of them, or one for each recipient.',
    interfaces: [progress],
    fields: (t) => ({
      taskId: t.exposeID('id', { description: 'The same as `id`, under the name of the REST poll.' }),
      programId: t.id({ description: 'The program that issues the cards.', resolve: programIdOf }),
      status: t.field({
        type: enums.issuanceStatus,
        description: 'The state under its name of the REST poll.',
        resolve: ({ state }) => bulkIssuanceStatusOf(state),
      }),
      ...countFields(t),
      error: t.string({
        nullable: true,
        description: 'Why the task failed, or one line when some cards could not be issued.',
        resolve: issuanceErrorOf,
      }),
      csvDownloadUrl: t.string({
        nullable: true,
        description:
          'Where all cards can be downloaded once the status is COMPLETED. Needs no credentials, and expires. FORBIDDEN to a ' +
          'watch token.',
        resolve: csvDownloadUrlOf,
      }),
      cards: t.field({
        ...cards,
        description:
          'The cards in row order; while the task runs, those issued so far; of an undo, those that are left. FORBIDDEN to a watch token.',
      }),
    }),
  });
}

function countFields(t: Pick<FieldBuilder<Snapshot>, 'int'>) {
  return {
    issuedCount: t.int({
      nullable: true,
      description: 'Cards issued so far; null before the task has begun.',
      resolve: (task) => issuanceCountsOf(task).issuedCount,
    }),
    failedCount: t.int({
      nullable: true,
      description: 'Cards that could not be issued so far; null before the task has begun.',
      resolve: (task) => issuanceCountsOf(task).failedCount,
    }),
  };
}

function defineAction(
  builder: Builder,
  { enums, progress, result }: { enums: Enums; progress: InterfaceType<Snapshot>; result: ResultType },
): ObjectType<Snapshot> {
  return builder.objectRef<Snapshot>('AsyncAction').implement({
    description: 'A bulk job on vouchers, customers, products or orders.',
    interfaces: [progress],
    fields: (t) => ({
      type: t.field({
        type: enums.actionType,
        description: 'What it does.',
        resolve: (task, _args, { deps }) => actionTypeOf(deps.engine.operations, task),
      }),
      status: t.field({
        type: enums.actionStatus,
        description: 'The scheduling state, under its name of the REST poll.',
        resolve: ({ state }) => asyncActionStatusOf(state),
      }),
      operationStatus: t.field({
        type: enums.operationStatus,
        description: 'The outcome, under its name of the REST poll.',
        resolve: ({ state }) => operationStatusOf(state),
      }),
      requestId: t.exposeString('requestId', {
        description: 'The request that started it: the `requestId` in the logs.',
      }),
      processingTime: t.int({
        description: 'Milliseconds from `createdAt` to `updatedAt`.',
        resolve: (task) => Math.min(processingTimeOf(task), greatestInt),
      }),
      result: t.field({
        type: result,
        nullable: true,
        description: 'What came of it; null until the status is DONE.',
        resolve: (task) => (task.state === 'SUCCEEDED' ? task : null),
      }),
    }),
  });
}

/** Whether a task can have this id; Postgres takes no text with a NUL in it. */
export function isTaskId(id: string): boolean {
  return /^[\x21-\x7e]{1,255}$/.test(id);
}

function programIdOf({ id, parameters: { programId } }: Snapshot): string {
  if (typeof programId !== 'string') throw new Error(`the issuance ${id} names no program`);
  return programId;
}

function csvDownloadUrlOf(task: Snapshot, _args: object, context: Context): string | null {
  requireCaller(context);
  if (task.kind === 'UNDO' || bulkIssuanceStatusOf(task.state) !== 'completed' || task.succeeded === 0) return null;
  return context.deps.links.sign(cardsCsvPath(programIdOf(task), task.id));
}
