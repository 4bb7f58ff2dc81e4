import { takeStart } from '../limits/rate-limits.ts';
import { type FollowUpRequest, runDryRun, undoTask } from '../tasks/follow-ups.ts';
import type { Snapshot } from '../tasks/snapshot.ts';
import { type Builder, costs, type ObjectType } from './builder.ts';
import { type Context, requireCaller } from './context.ts';
import { startCost } from './mutations.ts';
import type { Payload } from './payloads.ts';
import { checkTaskId, readReason, settleArguments } from './steering.ts';

/** The mutations that start a task from what another one has staged. */
export function addFollowUps(builder: Builder, payload: ObjectType<Payload<Snapshot>>): void {
  const id = (description: string) => ({ required: true, description }) as const;
  const reason = { description: 'Why, for those who look at the new task later; at most 1,000 characters.' };
  builder.mutationField('runDryRun', (t) =>
    t.field({
      type: payload,
      description:
        'Starts exactly what a dry run has tried, which must have SUCCEEDED, without sending the items again. Once: asked again, it ' +
        'answers the same task, unless that one FAILED or was canceled.',
      args: { id: t.arg.id(id('The dry run.')), reason: t.arg.string(reason) },
      ...costs({ own: startCost }),
      resolve: (_root, args, context) => start(runDryRun, args, context),
    }),
  );
  builder.mutationField('undoBulkTask', (t) =>
    t.field({
      type: payload,
      description:
        'Starts a task that takes back what an issuance or an import has made: its rows are those of the undone task. What was used or ' +
        'changed since, or was there before, is left as it is and listed in `failures`. The task must have ended. Once: asked again, it ' +
        'answers the same task, unless that one FAILED or was canceled.',
      args: { id: t.arg.id(id('The task to undo.')), reason: t.arg.string(reason) },
      ...costs({ own: startCost }),
      resolve: (_root, args, context) => start(undoTask, args, context),
    }),
  );
}

function start(
  run: (deps: Context['deps']['engine'], request: FollowUpRequest) => Promise<Snapshot>,
  { id, reason }: { readonly id: string; readonly reason?: string | null | undefined },
  context: Context,
): Promise<Payload<Snapshot>> {
  const caller = requireCaller(context);
  const { projectId, name: actor } = caller;
  return settleArguments(async () => {
    checkTaskId(id);
    const { requestId, deps } = context;
    await takeStart(deps.limits, caller);
    return run(deps.engine, { id, projectId, requestId, actor, reason: readReason(reason) });
  });
}
