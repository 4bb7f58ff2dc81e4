import { notFound } from '../errors.ts';
import type { Snapshot } from '../tasks/snapshot.ts';
import { type Builder, costs } from './builder.ts';
import { type Context, requireCaller } from './context.ts';
import { type FilterType, fits, toTaskFilter } from './filter.ts';
import { follow } from './follow.ts';
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
      subscribe: (_root, args, context) => watchTask(context, args.id, args.afterVersion ?? undefined),
      resolve: (task) => task,
    }),
    bulkTasks: t.field({
      type: tasks.either,
      description:
        'Every change from now on of every task of the project that fits. Of a task that changes faster than you read, the ' +
        'newest. Does not complete.',
      args: { filter: t.arg({ type: filter, description: 'Which tasks; without it, all.' }) },
      ...costs({ own: 20 }),
      subscribe: (_root, args, context) => watchProject(context, args.filter),
      resolve: (task) => task,
    }),
  }));
}

async function watchTask(
  context: Context,
  id: string,
  afterVersion: number | undefined,
): Promise<AsyncIterable<Snapshot>> {
  const caller = requireCaller(context);
  const abort = abortWith(context.signal);
  const { signal } = abort;
  const watch = isTaskId(id)
    ? await context.deps.feeds.watchTask(caller.projectId, id, { afterVersion, signal })
    : undefined;
  if (watch === undefined) throw notFound('bulk task', id);
  return follow(watch, { abort, caller });
}

async function watchProject(
  context: Context,
  filter: FilterType['$inferInput'] | null | undefined,
): Promise<AsyncIterable<Snapshot>> {
  const caller = requireCaller(context);
  const wanted = toTaskFilter(filter, context.deps.engine.operations);
  const abort = abortWith(context.signal);
  const watch = await context.deps.feeds.watchProject(caller.projectId, {
    matches: (task) => fits(wanted, task),
    signal: abort.signal,
  });
  return follow(watch, { abort, caller });
}

/** Ends a watch with the connection too: nobody returns a stream whose client has gone before it was begun. */
function abortWith(signal: AbortSignal | undefined): AbortController {
  const abort = new AbortController();
  signal?.addEventListener('abort', () => abort.abort(), { once: true });
  if (signal?.aborted) abort.abort();
  return abort;
}
