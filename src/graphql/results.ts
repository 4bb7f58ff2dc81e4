import { type EngineDeps, operationOf } from '../tasks/engine.ts';
import { resultMessageOf } from '../tasks/results.ts';
import type { Snapshot } from '../tasks/snapshot.ts';
import type { Builder, UnionType } from './builder.ts';
import { type FailuresType, failuresPage, readFailures } from './failures.ts';
import { pageOptions } from './pages.ts';

export type ResultType = UnionType<Snapshot>;

/** What an async action leaves behind: one member for each family of the contract that an operation uses. */
export function defineResults(builder: Builder, failures: FailuresType): ResultType {
  const importResult = builder.objectRef<Snapshot>('ImportResult').implement({
    description: 'What came of an import.',
    fields: (t) => ({
      message: t.string({
        description: 'One sentence with the numbers.',
        resolve: (task, _args, { deps }) => resultMessageOf(operationOf(deps.engine.operations, task.operation), task),
      }),
      doneCount: t.exposeInt('succeeded', { description: 'Items imported.' }),
      failedCount: t.exposeInt('failed', { description: 'Items refused.' }),
      failed: t.field({
        type: failures,
        description: 'Why items were refused, in row order.',
        ...pageOptions(builder, failuresPage),
        resolve: ({ id }, args, context) => readFailures(context, id, args),
      }),
    }),
  });
  return builder.unionType('AsyncActionResult', {
    description: 'What came of an async action; which member it is depends on its type.',
    types: [importResult],
    resolveType: () => importResult,
  });
}

/** The wire's name of what an async action does, such as `VOUCHERS.IMPORT`. */
export function actionTypeOf(operations: EngineDeps['operations'], task: Snapshot): string {
  const { actionType } = operationOf(operations, task.operation);
  if (actionType === null) throw new Error(`the operation ${task.operation} is no async action`);
  return actionType;
}
