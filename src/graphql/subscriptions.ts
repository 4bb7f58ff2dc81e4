import type { GraphQLResolveInfo } from 'graphql';
import { notFound } from '../errors.ts';
import { type Builder, costs } from './builder.ts';
import { type Context, requireCaller, requireWatcher } from './context.ts';
import { type FilterType, fits, toTaskFilter } from './filter.ts';
import { type ProjectSource, projectSource, type TaskSource, taskSource } from './source-streams.ts';
import { isTaskId, type TaskTypes } from './tasks.ts';

export function addSubscriptions(
  builder: Builder,
  { tasks, filter }: { readonly tasks: TaskTypes; readonly filter: FilterType },
): void {
  builder.subscriptionFields((t) => ({
    bulkTask: t.field({
      type: tasks.either,
      description:
        'One task: its snapshot first, then whatever is newer, at most about ten a second; the final one always, then the ' +
        'stream completes. A slow reader gets the newest, not a queue. NOT_FOUND when there is no such task.',
      args: {
        id: t.arg.id({ required: true, description: 'Its id.' }),
        afterVersion: t.arg.int({
          description:
            'Leaves out what is not newer than this version: give the last one that you saw to go on after it.',
        }),
      },
      ...costs({ own: 20 }),
      subscribe: (_root, args, context, info) => watchTask(context, info, args.id, args.afterVersion ?? 0),
      resolve: (task) => task,
    }),
    bulkTasks: t.field({
      type: tasks.either,
      description:
        'Every change from now on of every task of the project that fits. Of a task that changes faster than you read, the ' +
        'newest. Does not complete.',
      args: { filter: t.arg({ type: filter, description: 'Which tasks; without it, all.' }) },
      ...costs({ own: 20 }),
      subscribe: (_root, args, context, info) => watchProject(context, info, args.filter),
      resolve: (task) => task,
    }),
  }));
}

function watchTask(context: Context, info: GraphQLResolveInfo, id: string, afterVersion: number): TaskSource {
  const watcher = requireWatcher(context, id);
  if (watcher === undefined || !isTaskId(id)) throw notFound('bulk task', id);
  return taskSource(info, { projectId: watcher.projectId, id, afterVersion });
}

function watchProject(
  context: Context,
  info: GraphQLResolveInfo,
  filter: FilterType['$inferInput'] | null | undefined,
): ProjectSource {
  const { projectId } = requireCaller(context);
  const wanted = toTaskFilter(filter, context.deps.engine.operations);
  return projectSource(info, { projectId, matches: (task) => fits(wanted, task) });
}
