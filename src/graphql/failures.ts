import type { Failure } from '../tasks/operation.ts';
import { listFailures } from '../tasks/store.ts';
import type { Builder, ObjectType } from './builder.ts';
import { type Context, requireCaller } from './context.ts';
import {
  type Connection,
  defineConnection,
  nodesOf,
  type PageArguments,
  type PageInfoType,
  readPage,
} from './pages.ts';

export type FailuresType = ObjectType<Connection<Failure>>;

export const failuresPage = 50;

export function defineFailures(builder: Builder, pageInfo: PageInfoType): FailuresType {
  const failure = builder.objectRef<Failure>('TaskFailure').implement({
    description: 'Why one item of a task was refused. The other items went through.',
    fields: (t) => ({
      row: t.exposeInt('row', {
        nullable: true,
        description: 'Which item, counted from 1; the header line of a file is not counted.',
      }),
      key: t.exposeString('key', {
        nullable: true,
        description: 'Your own id of the item, such as its code, if it had one.',
      }),
      code: t.exposeString('code', { description: 'What is wrong, for programs, such as `INVALID` or `DUPLICATE`.' }),
      message: t.exposeString('message', { description: 'What is wrong, for people.' }),
    }),
  });
  return defineConnection<Failure>(builder, {
    name: 'TaskFailure',
    listOf: 'failures, in row order',
    pageInfo,
    node: (t) => t.field({ type: failure, description: 'The failure.', resolve: (edge) => edge.node }),
    nodes: (t) => t.field({ type: [failure], description: 'The failures, without their cursors.', resolve: nodesOf }),
  });
}

/** One page of the failures of a task that the caller may see. Throws FORBIDDEN to a watch token: their keys can be the codes
 *  of vouchers. */
export async function readFailures(
  context: Context,
  taskId: string,
  page: PageArguments,
): Promise<Connection<Failure>> {
  requireCaller(context);
  return readPage(page, {
    defaultPage: failuresPage,
    pattern: /^row:(\d{1,9})$/,
    cursorOf: ({ row }) => `row:${row}`,
    read: (limit, after) => listFailures(context.deps.db, taskId, { afterRow: Number(after?.[0] ?? 0), limit }),
  });
}
