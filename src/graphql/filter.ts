import type { EngineDeps } from '../tasks/engine.ts';
import type { Snapshot } from '../tasks/snapshot.ts';
import type { TaskFilter } from '../tasks/store.ts';
import type { Builder } from './builder.ts';
import type { Enums } from './enums.ts';

export type FilterType = ReturnType<typeof defineFilter>;
type Filter = FilterType['$inferInput'];

/** Which tasks a list or a subscription shows: those that fulfil every part that is given. */
export function defineFilter(builder: Builder, enums: Enums) {
  return builder.inputType('BulkTaskFilter', {
    description: 'Which tasks: those that fulfil every part that is given. An empty list fits none.',
    fields: (t) => ({
      state: t.field({ type: [enums.state], description: 'In one of these states.' }),
      model: t.field({ type: [enums.model], description: 'Of one of these models.' }),
      type: t.field({ type: [enums.actionType], description: 'Async actions of one of these types.' }),
      kind: t.field({
        type: [enums.kind],
        description: 'Of one of these kinds; dry runs and undo tasks are listed with the others.',
      }),
      createdBefore: t.field({ type: 'DateTime', description: 'Started before this moment.' }),
      createdAfter: t.field({ type: 'DateTime', description: 'Started after this moment.' }),
    }),
  });
}

/** The filter in the words of the store. */
export function toTaskFilter(filter: Filter | null | undefined, operations: EngineDeps['operations']): TaskFilter {
  const { state, model, type, kind, createdBefore, createdAfter } = filter ?? {};
  const ofType = [...operations.values()].filter(({ actionType }) => actionType !== null && type?.includes(actionType));
  return {
    states: state ?? undefined,
    models: model ?? undefined,
    kinds: kind ?? undefined,
    operations: type ? ofType.map(({ name }) => name) : undefined,
    createdBefore: createdBefore ?? undefined,
    createdAfter: createdAfter ?? undefined,
  };
}

/** No task can fulfil it: one of its lists is empty. */
export function fitsNone({ states, models, kinds, operations }: TaskFilter): boolean {
  return [states, models, kinds, operations].some((list) => list?.length === 0);
}

/** What the store's query decides, for a snapshot that was pushed. */
export function fits(filter: TaskFilter, task: Snapshot): boolean {
  const { states, models, kinds, operations, createdBefore, createdAfter } = filter;
  return (
    (states?.includes(task.state) ?? true) &&
    (models?.includes(task.model) ?? true) &&
    (kinds?.includes(task.kind) ?? true) &&
    (operations?.includes(task.operation) ?? true) &&
    (createdBefore === undefined || task.createdAt < createdBefore) &&
    (createdAfter === undefined || task.createdAt > createdAfter)
  );
}
