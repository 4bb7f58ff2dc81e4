import type { ItemOutcome } from '../tasks/dry-report.ts';
import type { AnyOperation } from '../tasks/operation.ts';
import type { AsyncActionStatus, BulkIssuanceStatus, OperationStatus } from '../tasks/results.ts';
import type { TaskKind, TaskModel, TaskPriority, TaskState } from '../tasks/state.ts';
import type { Builder, EnumType } from './builder.ts';

export interface Enums {
  readonly state: EnumType<TaskState>;
  readonly model: EnumType<TaskModel>;
  readonly kind: EnumType<TaskKind>;
  readonly outcome: EnumType<ItemOutcome>;
  readonly priority: EnumType<TaskPriority>;
  readonly issuanceStatus: EnumType<BulkIssuanceStatus>;
  readonly actionStatus: EnumType<AsyncActionStatus>;
  readonly operationStatus: EnumType<OperationStatus>;
  /** Its values are the wire's names, such as `VOUCHERS.IMPORT`. */
  readonly actionType: EnumType<string>;
}

export function defineEnums(builder: Builder, operations: Iterable<AnyOperation>): Enums {
  return {
    state: builder.enumType('TaskState', {
      description: 'Where a task stands. SUCCEEDED, FAILED and CANCELED are final.',
      values: {
        QUEUED: value('QUEUED', 'Stored; no worker has begun.'),
        RUNNING: value('RUNNING', 'Workers apply its items.'),
        PAUSED: value('PAUSED', 'Halted by its owner; it can be resumed.'),
        CANCELING: value('CANCELING', 'It will be CANCELED when the items in hand are done.'),
        SUCCEEDED: value('SUCCEEDED', 'All items are processed; some of them may have been refused.'),
        FAILED: value('FAILED', 'The task itself could not be carried out.'),
        CANCELED: value('CANCELED', 'Ended by its owner; what was applied before stays.'),
      },
    }),
    model: builder.enumType('BulkTaskModel', {
      description: 'The two kinds of task, after the two wire contracts.',
      values: {
        BULK_ISSUANCE: value('BULK_ISSUANCE', 'A BulkIssuanceTask: gift cards of a program.'),
        ASYNC_ACTION: value('ASYNC_ACTION', 'An AsyncAction: everything else.'),
      },
    }),
    priority: builder.enumType('TaskPriority', {
      description:
        "Which of a project's own tasks go first. Between projects the workers are shared by turn, whatever the priority.",
      values: {
        LOW: value('LOW', 'After all others.'),
        NORMAL: value('NORMAL', 'By turn with its like.'),
        HIGH: value('HIGH', 'Before all others.'),
      },
    }),
    ...defineKinds(builder),
    ...defineStatuses(builder),
    actionType: defineActionType(builder, operations),
  };
}

function defineKinds(builder: Builder): Pick<Enums, 'kind' | 'outcome'> {
  return {
    kind: builder.enumType('BulkTaskKind', {
      description: 'What a task does with its items.',
      values: {
        RUN: value('RUN', 'It applies them.'),
        DRY_RUN: value('DRY_RUN', 'It tells what applying them would come to, and writes nothing.'),
        UNDO: value('UNDO', 'It takes back what its `parent` did.'),
      },
    }),
    outcome: builder.enumType('ItemOutcome', {
      description: 'What would become of an item.',
      values: {
        CREATED: value('CREATED', 'It would make a record.'),
        UPDATED: value('UPDATED', 'It would write to a record that is there, or that an item before it would make.'),
        SKIPPED: value('SKIPPED', 'It would leave its record as it is.'),
        FAILED: value('FAILED', 'It would be refused.'),
      },
    }),
  };
}

function defineStatuses(builder: Builder): Pick<Enums, 'issuanceStatus' | 'actionStatus' | 'operationStatus'> {
  return {
    issuanceStatus: builder.enumType('BulkIssuanceStatus', {
      description: 'The status that the REST poll of an issuance tells, in capitals.',
      values: {
        PENDING: value('pending', 'QUEUED.'),
        PROCESSING: value('processing', 'RUNNING, PAUSED or CANCELING.'),
        COMPLETED: value('completed', 'SUCCEEDED.'),
        FAILED: value('failed', 'FAILED or CANCELED.'),
      },
    }),
    actionStatus: builder.enumType('AsyncActionStatus', {
      description: 'The scheduling state that the REST poll of an async action tells.',
      values: {
        ENQUEUED: value('ENQUEUED', 'QUEUED.'),
        IN_PROGRESS: value('IN_PROGRESS', 'RUNNING, PAUSED or CANCELING.'),
        DONE: value('DONE', 'SUCCEEDED: it ran to its end, whatever became of the single items.'),
        FAILED: value('FAILED', 'FAILED or CANCELED.'),
      },
    }),
    operationStatus: builder.enumType('OperationStatus', {
      description: 'The outcome that the REST poll of an async action tells.',
      values: {
        SUCCESS: value('SUCCESS', 'It ran to its end.'),
        FAILED: value('FAILED', 'It did not.'),
        UNKNOWN: value('UNKNOWN', 'It has not ended.'),
      },
    }),
  };
}

function defineActionType(builder: Builder, operations: Iterable<AnyOperation>): EnumType<string> {
  const values: Record<string, { value: string; description: string }> = {};
  for (const { actionType, mutation } of operations) {
    if (actionType === null) continue;
    const description = `${actionType}, started by \`${mutation.name}\`: ${mutation.description}`;
    values[actionType.replaceAll('.', '_')] = { value: actionType, description };
  }
  return builder.enumType('AsyncActionType', {
    description: 'What an async action does: the type of the wire contract with `_` for each full stop.',
    values,
  });
}

/** Keeps the literal type, which Pothos infers the enum from. */
function value<const Value extends string>(value: Value, description: string) {
  return { value, description };
}
