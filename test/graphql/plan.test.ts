import { executeSubscriptionEvent, parse, validate, validateSubscriptionArgs } from 'graphql';
import { describe, expect, it } from 'vitest';
import type { Context } from '../../src/graphql/context.ts';
import { planOf } from '../../src/graphql/plan.ts';
import { buildSchema } from '../../src/graphql/schema.ts';
import { operations } from '../../src/operations/index.ts';
import type { Snapshot } from '../../src/tasks/snapshot.ts';
import { snapshotOf } from '../progress/fixtures.ts';

const schema = buildSchema(operations);
const links = { sign: (path: string) => `https://example.com${path}` };
const caller = { taskId: null };
const context = { caller, deps: { engine: { operations }, links } } as unknown as Context;

function prepare(selection: string, rest = '') {
  const document = parse(`subscription ($first: Int, $yes: Boolean = true) {
    mine: bulkTask(id: "one") { ${selection} }
  } ${rest}`);
  const problems = validate(schema, document).filter(({ message }) => !message.includes('never used'));
  if (problems.length > 0) throw new AggregateError(problems, problems.join());
  const execution = validateSubscriptionArgs({ schema, document, contextValue: context });
  if (!('schema' in execution)) throw new AggregateError(execution);
  const properly = (rootValue: unknown) => executeSubscriptionEvent({ ...execution, rootValue });
  return { plan: planOf(execution), properly };
}

const done = { startedAt: new Date(), completedAt: new Date(), processed: 100, succeeded: 99, failed: 1 };
const snapshots: Snapshot[] = [
  snapshotOf({ startedAt: null, processed: 0, succeeded: 0, failed: 0, state: 'QUEUED' }),
  snapshotOf(),
  snapshotOf({ updatedAt: new Date(), rate: { perSecond: 0.01, until: new Date(Date.now() + 3_600_000) } }),
  snapshotOf({ state: 'FAILED', error: 'Die Übertragung ist "fehlgeschlagen" \u2028', ...done }),
  ...(['RUNNING', 'SUCCEEDED', 'CANCELED'] as const).map((state) =>
    snapshotOf({
      model: 'BULK_ISSUANCE',
      operation: 'gift_cards.issue',
      parameters: { programId: 'p' },
      state,
      ...done,
    }),
  ),
];

const ofTask = `id state version progress counts { total processed succeeded failed } ratePerSecond
  createdAt startedAt updatedAt completedAt estimatedCompletionAt`;
const ofIssuance = '... on BulkIssuanceTask { taskId programId status issuedCount failedCount error csvDownloadUrl }';
const ofAction = '... on AsyncAction { type status2: status operationStatus requestId processingTime }';

describe('a plan gives what graphql-js gives', () => {
  it.each([
    [
      'for all fields of both models that a snapshot tells by itself',
      `... on TaskProgress { ${ofTask} } ${ofIssuance} ${ofAction}`,
      '',
    ],
    ['for __typename at every level', '__typename ... on TaskProgress { __typename counts { __typename } }', ''],
    [
      'for aliases, merged selections and fragments in fragments',
      '...a ... on TaskProgress { counts { total } other: counts { failed } counts { total failed } b: id } ...a',
      'fragment a on TaskProgress { version ...c counts { processed } } fragment c on AsyncAction { b: id state }',
    ],
    [
      'for names that objects have already',
      '... on TaskProgress { constructor: id toString: state toJSON: version }',
      '',
    ],
  ])('%s', (_name, selection, rest) => {
    const { plan, properly } = prepare(selection, rest);
    if (plan === undefined) throw new Error('expected a plan');
    for (const snapshot of snapshots) {
      const result = { data: plan(snapshot, context) };
      expect(JSON.stringify(result)).toBe(JSON.stringify(properly(snapshot)));
    }
  });
});

describe('graphql-js is asked', () => {
  it.each([
    ['for what takes arguments', '... on TaskProgress { id failures(first: $first) { nodes { row } } }'],
    ['for directives', '... on TaskProgress { id @include(if: $yes) state }'],
    ['for directives on fragments', '... on TaskProgress @include(if: $yes) { id }'],
  ])('%s', (_name, selection) => {
    expect(prepare(selection).plan).toBeUndefined();
  });

  it.each([
    ['a value that is missing', () => ({ version: undefined })],
    ['a value of the wrong type', () => ({ version: 'three' })],
    ['an error', () => ({ version: new Error('unknown') })],
    ['a promise', () => ({ version: Promise.resolve(3) })],
    ['a promise that fails', () => ({ version: Promise.reject(new Error('unknown')) })],
    ['a type that there is not', () => ({ model: 'OTHER', version: null })],
  ])('for %s', (_name, changes) => {
    const { plan } = prepare('... on TaskProgress { id version }');
    if (plan === undefined) throw new Error('expected a plan');
    expect(() => plan({ ...snapshotOf(), ...changes() }, context)).toThrow();
  });
});
