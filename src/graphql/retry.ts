import { takeStart } from '../limits/rate-limits.ts';
import { retryFailures } from '../tasks/retry.ts';
import type { Snapshot } from '../tasks/snapshot.ts';
import { type Builder, costs, type ObjectType } from './builder.ts';
import { requireCaller } from './context.ts';
import { startCost } from './mutations.ts';
import { type Payload, withKeyExpiry } from './payloads.ts';
import { checkTaskId, settleArguments } from './steering.ts';

/** The mutation that tries what a task refused again. */
export function addRetry(builder: Builder, payload: ObjectType<Payload<Snapshot>>): void {
  const correction = builder.inputType('CorrectedItemInput', {
    description: 'An item that takes the place of a failed one.',
    fields: (t) => ({
      row: t.int({ required: true, description: 'The row of the failure.' }),
      item: t.field({
        type: 'JSON',
        required: true,
        description:
          'The whole item, of the kind that failed: an object with the names of the REST wire, the list of the cells of a CSV row, or an id.',
      }),
    }),
  });
  builder.mutationField('retryBulkTaskFailures', (t) =>
    t.field({
      type: payload,
      description:
        'Starts a task of the failed items only, in their order: its row n is the n-th failure. The task must have ended, not longer ago than its ' +
        'items are kept (7 days unless the operator has set another time; then EXPIRED), and not be undone (UNDONE). Failures are tried again once, ' +
        "unless nothing of that has succeeded when it ends (else ALREADY_RETRIED); those of the new task are that one's.",
      args: {
        id: t.arg.id({ required: true, description: 'The task whose failures are tried again.' }),
        corrections: t.arg({ type: [correction], description: 'Items to take instead of those that failed.' }),
        idempotencyKey: t.arg.string({
          description:
            'Makes it safe to repeat: the same key with the same arguments answers the same task, for 7 days unless the operator has set ' +
            'another time. 1 to 255 characters.',
        }),
      },
      ...costs({ own: startCost }),
      resolve: (_root, { id, corrections, idempotencyKey }, context) => {
        const caller = requireCaller(context);
        const { projectId, name: actor } = caller;
        return withKeyExpiry((keyKept) =>
          settleArguments(async () => {
            checkTaskId(id);
            await takeStart(context.deps.limits, caller);
            return retryFailures(context.deps.engine, {
              id,
              projectId,
              requestId: context.requestId,
              actor,
              corrections: corrections?.map(({ row, item }) => ({ row, item })),
              idempotencyKey: idempotencyKey ?? undefined,
              keyKept,
            });
          }),
        );
      },
    }),
  );
}
