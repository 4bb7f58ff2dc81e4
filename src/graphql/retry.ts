import { retryFailures } from '../tasks/retry.ts';
import type { Snapshot } from '../tasks/snapshot.ts';
import { type Builder, costs, type ObjectType } from './builder.ts';
import { followUpArguments, startFollowUp } from './follow-ups.ts';
import { startCost } from './mutations.ts';
import type { Payload } from './payloads.ts';

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
        ...followUpArguments(builder, 'The task whose failures are tried again.'),
        corrections: t.arg({ type: [correction], description: 'Items to take instead of those that failed.' }),
      },
      ...costs({ own: startCost }),
      resolve: (_root, { corrections, ...args }, context) => {
        const items = corrections?.map(({ row, item }) => ({ row, item }));
        return startFollowUp((deps, request) => retryFailures(deps, { ...request, corrections: items }), args, context);
      },
    }),
  );
}
