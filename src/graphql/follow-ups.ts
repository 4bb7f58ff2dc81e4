import { takeStart } from '../limits/rate-limits.ts';
import { type FollowUpRequest, runDryRun, undoTask } from '../tasks/follow-ups.ts';
import type { Snapshot } from '../tasks/snapshot.ts';
import { type Builder, costs, type ObjectType } from './builder.ts';
import { type Context, requireCaller } from './context.ts';
import { startCost } from './mutations.ts';
import { type Payload, withKeyExpiry } from './payloads.ts';
import { checkTaskId, readReason, reasonArgument, settleArguments } from './steering.ts';

/** The mutations that start a task from what another one has staged. */
export function addFollowUps(builder: Builder, payload: ObjectType<Payload<Snapshot>>): void {
  builder.mutationField('runDryRun', (t) =>
    t.field({
      type: payload,
      description:
        'Starts exactly what a dry run has tried, which must have SUCCEEDED, without sending the items again. Once: asked again, it ' +
        'answers the same task, unless that one FAILED or was canceled.',
      args: followUpArguments(builder, 'The dry run.'),
      ...costs({ own: startCost }),
      resolve: (_root, args, context) => startFollowUp(runDryRun, args, context),
    }),
  );
  builder.mutationField('undoBulkTask', (t) =>
    t.field({
      type: payload,
      description:
        'Starts a task that takes back what an issuance or an import has made: its rows are those of the undone task. What was used or ' +
        'changed since, or was there before, is left as it is and listed in `failures`. The task must have ended. Once: asked again, it ' +
        'answers the same task, unless that one FAILED or was canceled.',
      args: followUpArguments(builder, 'The task to undo.'),
      ...costs({ own: startCost }),
      resolve: (_root, args, context) => startFollowUp(undoTask, args, context),
    }),
  );
}

/** What every start from another task takes; `task` describes that one. */
export function followUpArguments(builder: Builder, task: string) {
  return builder.args((t) => ({
    id: t.id({ required: true, description: task }),
    reason: t.string(reasonArgument('the new task')),
    idempotencyKey: t.string({
      description:
        'Makes it safe to repeat: the same key with the same arguments answers the same task, whatever became of that, for 7 days ' +
        'unless the operator has set another time. 1 to 255 characters.',
    }),
  }));
}

/** Starts a task from another one; what the caller can mend goes into the payload. */
export function startFollowUp(
  start: (deps: Context['deps']['engine'], request: FollowUpRequest) => Promise<Snapshot>,
  args: {
    readonly id: string;
    readonly reason?: string | null | undefined;
    readonly idempotencyKey?: string | null | undefined;
  },
  context: Context,
): Promise<Payload<Snapshot>> {
  const caller = requireCaller(context);
  const { projectId, name: actor } = caller;
  return withKeyExpiry((keyKept) =>
    settleArguments(async () => {
      const { id } = args;
      checkTaskId(id);
      const reason = readReason(args.reason);
      const { requestId, deps } = context;
      await takeStart(deps.limits, caller);
      const idempotencyKey = args.idempotencyKey ?? undefined;
      return start(deps.engine, { id, projectId, requestId, actor, reason, idempotencyKey, keyKept });
    }),
  );
}
