import { badInput } from '../errors.ts';
import { isStorable } from '../tasks/input.ts';
import type { Snapshot } from '../tasks/snapshot.ts';
import { cancelTask, cancelTasks, pauseTask, resumeTask, type SteerRequest } from '../tasks/steer.ts';
import { type Builder, costs, type ObjectType } from './builder.ts';
import { type Context, requireCaller } from './context.ts';
import { type FilterType, fitsNone, toTaskFilter } from './filter.ts';
import { definePayload, type Payload } from './payloads.ts';
import { isTaskId, type TaskTypes } from './tasks.ts';
import { type UserError, userErrorsOf } from './user-errors.ts';

const steerCost = 100;
const maxReasonCharacters = 1_000;
/** By one mutation: a few seconds' work. */
const maxCanceled = 1_000;

export interface SteeringParts {
  readonly tasks: TaskTypes;
  readonly filter: FilterType;
  readonly userError: ObjectType<UserError>;
}

/** The mutations on tasks that are there already; returns the payload that holds a task of either model. */
export function addSteering(builder: Builder, parts: SteeringParts): ObjectType<Payload<Snapshot>> {
  const payload = definePayload(builder, 'BulkTaskPayload', 'task', parts.tasks.either, parts.userError);
  addSteer(
    builder,
    payload,
    'cancelBulkTask',
    cancelTask,
    'Ends a task within one chunk: it is CANCELING while items are in hand, then CANCELED. What was applied stays, counted and listed.',
  );
  addSteer(
    builder,
    payload,
    'pauseBulkTask',
    pauseTask,
    'Halts a task: the items in hand are done, nothing new begins.',
  );
  addSteer(builder, payload, 'resumeBulkTask', resumeTask, 'Lets a paused task go on.');
  addCancelMany(builder, parts);
  return payload;
}

function addSteer(
  builder: Builder,
  payload: ObjectType<Payload<Snapshot>>,
  name: string,
  steer: (deps: Context['deps']['engine'], request: SteerRequest) => Promise<Snapshot>,
  description: string,
): void {
  builder.mutationField(name, (t) =>
    t.field({
      type: payload,
      description: `${description} Asking again changes nothing.`,
      args: {
        id: t.arg.id({ required: true, description: 'The task.' }),
        reason: t.arg.string(reasonArgument('the task')),
      },
      ...costs({ own: steerCost }),
      resolve: (_root, args, context) => {
        const { projectId, name: actor } = requireCaller(context);
        return settleArguments(async () => {
          checkTaskId(args.id);
          return steer(context.deps.engine, { id: args.id, projectId, actor, reason: readReason(args.reason) });
        });
      },
    }),
  );
}

function addCancelMany(builder: Builder, { filter, userError }: SteeringParts): void {
  const payload = builder.objectRef<Payload<number>>('BulkTasksPayload').implement({
    description: 'How many tasks it was done to, or why to none.',
    fields: (t) => ({
      count: t.int({
        nullable: true,
        description: 'How many; null when there are errors.',
        resolve: ({ value }) => value,
      }),
      userErrors: t.expose('userErrors', {
        type: [userError],
        description: 'What to change; empty when all went well.',
      }),
    }),
  });
  builder.mutationField('cancelBulkTasks', (t) =>
    t.field({
      type: payload,
      description: `Cancels the tasks that fit and have neither ended nor been canceled, as \`cancelBulkTask\` does: the ${maxCanceled} oldest at most. Ask again until \`count\` is 0.`,
      args: {
        filter: t.arg({ type: filter, required: true, description: 'Which tasks; one without any part is refused.' }),
        reason: t.arg.string(reasonArgument('the tasks')),
      },
      ...costs({ own: 5_000 }),
      resolve: (_root, args, context) => {
        const { projectId, name: actor } = requireCaller(context);
        return settleArguments(async () => {
          const reason = readReason(args.reason);
          const wanted = toTaskFilter(args.filter, context.deps.engine.operations);
          if (Object.values(wanted).every((part) => part === undefined)) {
            throw badInput(['filter'], 'EMPTY_FILTER', 'A filter without any part would cancel everything');
          }
          return fitsNone(wanted)
            ? 0
            : cancelTasks(context.deps.engine, wanted, { projectId, actor, reason }, maxCanceled);
        });
      },
    }),
  );
}

/** The argument that says why. */
export function reasonArgument(task: 'the task' | 'the tasks' | 'the new task') {
  return { description: `Why, for those who look at ${task} later; at most 1,000 characters.` };
}

/** Throws NOT_FOUND for an id that no task can have. */
export function checkTaskId(id: string): void {
  if (!isTaskId(id)) throw badInput(['id'], 'NOT_FOUND', 'Cannot find bulk task with this id');
}

/** Runs it; what the caller can mend goes into the payload, its paths from the mutation's arguments on. */
export async function settleArguments<Value>(run: () => Promise<Value>): Promise<Payload<Value>> {
  try {
    return { value: await run(), userErrors: [] };
  } catch (error) {
    const userErrors = userErrorsOf(error).map(({ field, ...rest }) => ({
      ...rest,
      field: field?.[0] === 'input' ? field.slice(1) : field,
    }));
    return { value: null, userErrors };
  }
}

/** The reason given, if any. Throws INVALID for one that is too long or cannot be stored. */
export function readReason(reason: string | null | undefined): string | undefined {
  if (reason === null || reason === undefined) return undefined;
  if (reason.length <= maxReasonCharacters && isStorable(reason)) return reason;
  throw badInput(['reason'], 'INVALID', `A reason has at most ${maxReasonCharacters} characters, none of them NUL`);
}
