import { listChildren, listEvents, phasesOf, type TaskEvent, type TaskPhase } from '../tasks/history.ts';
import type { Snapshot } from '../tasks/snapshot.ts';
import { findTask } from '../tasks/store.ts';
import { type Builder, costs, type InterfaceType, type ObjectType } from './builder.ts';
import { requireCaller } from './context.ts';
import type { Enums } from './enums.ts';

/** What a task tells besides its progress: who did what to it, and the tasks it belongs together with. */
export function addHistory(builder: Builder, progress: InterfaceType<Snapshot>, enums: Enums): void {
  const event = defineEvent(builder, enums);
  const phase = definePhase(builder);
  builder.interfaceFields(progress, (t) => ({
    changedBy: t.string({
      nullable: true,
      description:
        'Who last paused, resumed or canceled it, or started it with a reason: an app id or a merchant. FORBIDDEN to a watch token.',
      resolve: ({ changedBy }, _args, context) => requireCaller(context) && changedBy,
    }),
    changeReason: t.string({
      nullable: true,
      description: 'The reason they gave. FORBIDDEN to a watch token.',
      resolve: ({ changeReason }, _args, context) => requireCaller(context) && changeReason,
    }),
    timeline: t.field({
      type: [event],
      description:
        'The states it entered, oldest first; of more than 1,000 the first and the last 500. FORBIDDEN to a watch token.',
      ...costs({ own: 100 }),
      resolve: (task, _args, context) => requireCaller(context) && listEvents(context.deps.db, task),
    }),
    phases: t.field({
      type: [phase],
      description:
        'STAGING, while its items were stored (it is not answered before); RUNNING, pauses included; FINISHING, between CANCELING and ' +
        'CANCELED: what is due when all is done belongs to the last chunk. FORBIDDEN to a watch token.',
      ...costs({ own: 100 }),
      resolve: async (task, _args, context) => {
        requireCaller(context);
        return phasesOf(task, await listEvents(context.deps.db, task));
      },
    }),
    parent: t.field({
      type: progress,
      nullable: true,
      description:
        'The task that this one belongs to: whose failures it tries again, which it undoes, or whose dry run it carries out. FORBIDDEN to a watch token.',
      ...costs({ own: 20 }),
      resolve: async ({ parentId }, _args, context) => {
        const { projectId } = requireCaller(context);
        return parentId === null ? null : ((await findTask(context.deps.db, projectId, parentId)) ?? null);
      },
    }),
    children: t.field({
      type: [progress],
      description:
        'The tasks that belong to it, oldest first: that try its failures again, undo it, or carry out its dry run. FORBIDDEN to a watch token.',
      ...costs({ own: 100 }),
      resolve: ({ id }, _args, context) => requireCaller(context) && listChildren(context.deps.db, id),
    }),
  }));
}

function defineEvent(builder: Builder, enums: Enums): ObjectType<TaskEvent> {
  return builder.objectRef<TaskEvent>('TaskEvent').implement({
    description: 'A state that a task entered.',
    fields: (t) => ({
      state: t.expose('state', { type: enums.state, description: 'The state.' }),
      version: t.exposeInt('version', { description: 'The version of the task with which it was entered.' }),
      at: t.expose('at', { type: 'DateTime', description: 'When.' }),
      actor: t.exposeString('actor', {
        nullable: true,
        description: 'Who asked for it: an app id or a merchant; null when the task came to it by itself.',
      }),
      reason: t.exposeString('reason', { nullable: true, description: 'The reason they gave.' }),
    }),
  });
}

function definePhase(builder: Builder): ObjectType<TaskPhase> {
  const name = builder.enumType('TaskPhaseName', {
    description: 'The stretches of the life of a task.',
    values: {
      STAGING: { value: 'STAGING', description: 'Its items are stored.' },
      RUNNING: { value: 'RUNNING', description: 'Its items are applied.' },
      FINISHING: { value: 'FINISHING', description: 'It is canceled, and the items in hand end.' },
    } as const,
  });
  return builder.objectRef<TaskPhase>('TaskPhase').implement({
    description: 'A stretch of the life of a task.',
    fields: (t) => ({
      name: t.expose('name', { type: name, description: 'Which.' }),
      startedAt: t.expose('startedAt', { type: 'DateTime', description: 'When it began.' }),
      endedAt: t.expose('endedAt', {
        type: 'DateTime',
        nullable: true,
        description: 'When it ended; null while it lasts.',
      }),
    }),
  });
}
