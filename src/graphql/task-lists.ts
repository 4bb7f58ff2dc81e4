import { type GiftCard, listCards } from '../domain/gift-cards.ts';
import { listOutcomes, type ToldOutcome } from '../tasks/dry-report.ts';
import { listTracedFailures, type TracedFailure } from '../tasks/failures.ts';
import type { Snapshot } from '../tasks/snapshot.ts';
import type { Builder, ObjectType } from './builder.ts';
import { type Context, requireCaller } from './context.ts';
import type { Enums } from './enums.ts';
import {
  type Connection,
  defineConnection,
  nodesOf,
  type PageArguments,
  type PageInfoType,
  pageOptions,
  readPage,
} from './pages.ts';

/** The lists that a task holds: its failures, and the cards of an issuance. */

/** A list of a task that the caller may see: what its field needs, the description aside. FORBIDDEN to a watch token: a card's
 *  number is a secret, and the key of a refused row can be the code of a voucher. */
export interface TaskList<Node> extends ReturnType<typeof pageOptions> {
  readonly type: ObjectType<Connection<Node>>;
  readonly resolve: (task: Snapshot, page: PageArguments, context: Context) => Promise<Connection<Node>>;
}

const defaultPage = 50;

/** One page, and from where the next one is read. */
interface Reading<Node> {
  readonly pattern: RegExp;
  readonly cursorOf: (node: Node) => string;
  readonly read: (
    db: Context['deps']['db'],
    task: Snapshot,
    page: { readonly after: readonly string[] | undefined; readonly limit: number },
  ) => Promise<readonly Node[]>;
}

function listOf<Node>(
  builder: Builder,
  type: ObjectType<Connection<Node>>,
  { pattern, cursorOf, read }: Reading<Node>,
): TaskList<Node> {
  return {
    type,
    ...pageOptions(builder, defaultPage),
    resolve: (task, page, context) => {
      requireCaller(context);
      return readPage(page, {
        defaultPage,
        pattern,
        cursorOf,
        read: (limit, after) => read(context.deps.db, task, { after, limit }),
      });
    },
  };
}

/** Why items were refused; while the task runs, of those so far. */
export function defineFailures(builder: Builder, pageInfo: PageInfoType): TaskList<TracedFailure> {
  const failure = builder.objectRef<TracedFailure>('TaskFailure').implement({
    description: 'Why one item of a task was refused. The other items went through.',
    fields: (t) => ({
      row: t.exposeInt('row', {
        nullable: true,
        description: 'Which item, counted from 1; the header line of a file is not counted.',
      }),
      originalRow: t.exposeInt('originalRow', {
        nullable: true,
        description:
          'In a task that tries failures again: the row of this item in its `parent`. Null in any other task, and when the parent is not ' +
          'kept any more.',
      }),
      key: t.exposeString('key', {
        nullable: true,
        description: 'Your own id of the item, such as its code, if it had one.',
      }),
      code: t.exposeString('code', { description: 'What is wrong, for programs, such as `INVALID` or `DUPLICATE`.' }),
      message: t.exposeString('message', { description: 'What is wrong, for people.' }),
    }),
  });
  const type = defineConnection<TracedFailure>(builder, {
    name: 'TaskFailure',
    listOf: 'failures, in row order',
    pageInfo,
    node: (t) => t.field({ type: failure, description: 'The failure.', resolve: (edge) => edge.node }),
    nodes: (t) => t.field({ type: [failure], description: 'The failures, without their cursors.', resolve: nodesOf }),
  });
  return listOf(builder, type, {
    pattern: /^row:(\d{1,9})(?::(\d{1,9}))?$/,
    cursorOf: ({ row, originalRow }) => (originalRow === null ? `row:${row}` : `row:${row}:${originalRow}`),
    read: (db, task, { after: [row = '0', originalRow] = [], limit }) => {
      const after = { row: Number(row), originalRow: originalRow === undefined ? null : Number(originalRow) };
      return listTracedFailures(db, task, { after, limit });
    },
  });
}

/** What would become of the items of a dry run. */
export function defineOutcomes(builder: Builder, pageInfo: PageInfoType, enums: Enums): TaskList<ToldOutcome> {
  const outcome = builder.objectRef<ToldOutcome>('TaskOutcome').implement({
    description: 'What would become of one item of a dry run.',
    fields: (t) => ({
      row: t.exposeInt('row', { description: 'Which item, counted from 1; the header line of a file is not counted.' }),
      key: t.exposeString('key', {
        nullable: true,
        description: 'Your own id of the item, such as its code, if it has one.',
      }),
      outcome: t.expose('outcome', { type: enums.outcome, description: 'What would become of it.' }),
      code: t.string({
        nullable: true,
        description: 'Of one that would be refused: why, for programs.',
        resolve: ({ failure }) => failure?.code ?? null,
      }),
      message: t.string({
        nullable: true,
        description: 'Of one that would be refused: why, for people.',
        resolve: ({ failure }) => failure?.message ?? null,
      }),
    }),
  });
  const type = defineConnection<ToldOutcome>(builder, {
    name: 'TaskOutcome',
    listOf: 'outcomes, in row order',
    pageInfo,
    node: (t) => t.field({ type: outcome, description: 'The outcome.', resolve: (edge) => edge.node }),
    nodes: (t) => t.field({ type: [outcome], description: 'The outcomes, without their cursors.', resolve: nodesOf }),
  });
  return listOf(builder, type, {
    pattern: /^row:(\d{1,9})$/,
    cursorOf: ({ row }) => `row:${row}`,
    read: (db, { id }, { after: [row = '0'] = [], limit }) => listOutcomes(db, id, { afterRow: Number(row), limit }),
  });
}

/** The cards that an issuance has issued so far. */
export function defineCards(builder: Builder, pageInfo: PageInfoType): TaskList<GiftCard> {
  const card = builder.objectRef<GiftCard>('GiftCard').implement({
    description: 'A gift card that a task has issued.',
    fields: (t) => ({
      id: t.exposeID('id', { description: '24 hex digits.' }),
      cardNumber: t.exposeString('cardNumber', { description: '16 digits, valid by Luhn, unique in the project.' }),
      lastFourDigits: t.exposeString('lastFourDigits', { description: 'The end of the number, for showing.' }),
    }),
  });
  const type = defineConnection<GiftCard>(builder, {
    name: 'GiftCard',
    listOf: 'issued cards, in row order',
    pageInfo,
    node: (t) => t.field({ type: card, description: 'The card.', resolve: (edge) => edge.node }),
    nodes: (t) => t.field({ type: [card], description: 'The cards, without their cursors.', resolve: nodesOf }),
  });
  return listOf(builder, type, {
    pattern: /^card:([0-9a-f]{24})$/,
    cursorOf: ({ id }) => `card:${id}`,
    read: (db, { id }, { after, limit }) => listCards(db, id, { afterId: after?.[0], limit }),
  });
}
