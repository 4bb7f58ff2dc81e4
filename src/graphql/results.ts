import { type EngineDeps, operationOf } from '../tasks/engine.ts';
import type { TracedFailure } from '../tasks/failures.ts';
import type { ResultShape } from '../tasks/operation.ts';
import { reportPath, reportsAvailableTill, resultMessageOf } from '../tasks/results.ts';
import type { Snapshot } from '../tasks/snapshot.ts';
import type { Builder, FieldBuilder, UnionType } from './builder.ts';
import { requireCaller } from './context.ts';
import type { TaskList } from './task-lists.ts';

export type ResultType = UnionType<Snapshot>;

/** What an async action leaves behind: one member for each family of the contract that an operation uses. */
export function defineResults(builder: Builder, failures: TaskList<TracedFailure>): ResultType {
  const importResult = defineImportResult(builder, failures);
  const countResult = builder.objectRef<Snapshot>('CountResult').implement({
    description: 'What came of an action that touches many resources in one way.',
    fields: (t) => ({ message: messageField(t), doneCount: doneField(t) }),
  });
  const updateResult = defineUpdateResult(builder, failures);
  const families = { COUNT: countResult, IMPORT: importResult, UPDATE: updateResult } as const;
  return builder.unionType('AsyncActionResult', {
    description: 'What came of an async action; which member it is depends on its type.',
    types: [countResult, importResult, updateResult],
    resolveType: (task, { deps }) => families[shapeOf(task, deps.engine.operations).family],
  });
}

function defineImportResult(builder: Builder, failures: TaskList<TracedFailure>) {
  return builder.objectRef<Snapshot>('ImportResult').implement({
    description: 'What came of an import.',
    fields: (t) => ({
      message: messageField(t),
      doneCount: doneField(t),
      failedCount: failedField(t),
      failed: t.field({
        ...failures,
        description: 'Why items were refused, in row order. FORBIDDEN to a watch token.',
      }),
    }),
  });
}

function defineUpdateResult(builder: Builder, failures: TaskList<TracedFailure>) {
  return builder.objectRef<Snapshot>('BulkUpdateResult').implement({
    description: 'What came of a bulk update.',
    fields: (t) => ({
      doneCount: doneField(t),
      failedCount: failedField(t),
      reports: t.stringList({
        description:
          'Signed links to CSV files: the key of each item, and whether it was found and updated. FORBIDDEN to a watch token.',
        resolve: (task, _args, context) => {
          requireCaller(context);
          return [context.deps.links.sign(reportPath(task.id), { until: reportsAvailableTill(task) })];
        },
      }),
      reportsAvailableTill: t.field({
        type: 'DateTime',
        description: 'Until when the reports can be downloaded.',
        resolve: reportsAvailableTill,
      }),
      errors: t.field({
        ...failures,
        description: 'Why items were refused, in row order. FORBIDDEN to a watch token.',
      }),
    }),
  });
}

type Fields = FieldBuilder<Snapshot>;

function messageField(t: Fields) {
  return t.string({
    description: 'One sentence with the numbers.',
    resolve: (task, _args, { deps }) => resultMessageOf(shapeOf(task, deps.engine.operations), task),
  });
}

function doneField(t: Fields) {
  return t.exposeInt('succeeded', { description: 'Items done.' });
}

function failedField(t: Fields) {
  return t.exposeInt('failed', { description: 'Items refused.' });
}

function shapeOf(task: Snapshot, operations: EngineDeps['operations']): ResultShape {
  const { result } = operationOf(operations, task.operation);
  if (result === null) throw new Error(`the operation ${task.operation} has no result`);
  return result;
}

/** The wire's name of what an async action does, such as `VOUCHERS.IMPORT`. */
export function actionTypeOf(operations: EngineDeps['operations'], task: Snapshot): string {
  const { actionType } = operationOf(operations, task.operation);
  if (actionType === null) throw new Error(`the operation ${task.operation} is no async action`);
  return actionType;
}
