import { listTasks } from '../tasks/lists.ts';
import type { Snapshot } from '../tasks/snapshot.ts';

import { type Builder, costs } from './builder.ts';
import { type Context, requireCaller, requireWatcher } from './context.ts';
import { type FilterType, fitsNone, toTaskFilter } from './filter.ts';
import {
  type Connection,
  defineConnection,
  nodesOf,
  type PageArguments,
  type PageInfoType,
  pageOptions,
  readPage,
} from './pages.ts';
import { isTaskId, type TaskTypes } from './tasks.ts';

const tasksPage = 20;

export function addQueries(
  builder: Builder,
  parts: { readonly tasks: TaskTypes; readonly filter: FilterType; readonly pageInfo: PageInfoType },
): void {
  const { tasks, filter, pageInfo } = parts;
  const connection = defineConnection<Snapshot>(builder, {
    name: 'BulkTask',
    listOf: 'tasks, newest first',
    pageInfo,
    node: (t) => t.field({ type: tasks.either, description: 'The task.', resolve: (edge) => edge.node }),
    nodes: (t) => t.field({ type: [tasks.either], description: 'The tasks, without their cursors.', resolve: nodesOf }),
  });
  builder.queryFields((t) => ({
    bulkTask: t.field({
      type: tasks.either,
      nullable: true,
      description: 'One task; null when there is none of that id.',
      args: { id: t.arg.id({ required: true, description: 'Its id.' }) },
      ...costs({ own: 20 }),
      resolve: async (_root, { id }, context) => {
        const watcher = requireWatcher(context, id);
        if (watcher === undefined || !isTaskId(id)) return null;
        const task = await context.deps.reader.read(id);
        return task?.projectId === watcher.projectId ? task : null;
      },
    }),
    bulkTasks: t.field({
      type: connection,
      description: 'The tasks of the project, newest first.',
      ...pageOptions(builder, tasksPage),
      args: {
        filter: t.arg({ type: filter, description: 'Which tasks; without it, all.' }),
        ...pageOptions(builder, tasksPage).args,
      },
      resolve: (_root, args, context) => readTasks(context, args.filter, args),
    }),
  }));
}

async function readTasks(
  context: Context,
  filter: FilterType['$inferInput'] | null | undefined,
  page: PageArguments,
): Promise<Connection<Snapshot>> {
  const { projectId } = requireCaller(context);
  const { db, engine } = context.deps;
  const wanted = toTaskFilter(filter, engine.operations);
  return readPage(page, {
    defaultPage: tasksPage,
    pattern: /^task:(\d{1,15}):([\x21-\x7e]{1,255})$/,
    cursorOf: ({ createdAt, id }) => `task:${createdAt.getTime()}:${id}`,
    read: async (limit, position) => {
      if (fitsNone(wanted)) return [];
      const [createdAt, id] = position ?? [];
      const after =
        createdAt === undefined || id === undefined ? undefined : { createdAt: new Date(Number(createdAt)), id };
      return listTasks(db, projectId, wanted, { after, limit });
    },
  });
}
