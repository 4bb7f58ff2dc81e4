import { type GiftCard, listCards } from '../domain/gift-cards.ts';
import type { Builder, ObjectType } from './builder.ts';
import { type Context, requireCaller } from './context.ts';
import {
  type Connection,
  defineConnection,
  nodesOf,
  type PageArguments,
  type PageInfoType,
  readPage,
} from './pages.ts';

export type CardsType = ObjectType<Connection<GiftCard>>;

export const cardsPage = 50;

export function defineCards(builder: Builder, pageInfo: PageInfoType): CardsType {
  const card = builder.objectRef<GiftCard>('GiftCard').implement({
    description: 'A gift card that a task has issued.',
    fields: (t) => ({
      id: t.exposeID('id', { description: '24 hex digits.' }),
      cardNumber: t.exposeString('cardNumber', { description: '16 digits, valid by Luhn, unique in the project.' }),
      lastFourDigits: t.exposeString('lastFourDigits', { description: 'The end of the number, for showing.' }),
    }),
  });
  return defineConnection<GiftCard>(builder, {
    name: 'GiftCard',
    listOf: 'issued cards, in row order',
    pageInfo,
    node: (t) => t.field({ type: card, description: 'The card.', resolve: (edge) => edge.node }),
    nodes: (t) => t.field({ type: [card], description: 'The cards, without their cursors.', resolve: nodesOf }),
  });
}

/** One page of the cards of a task that the caller may see; while it runs, of those issued so far. Throws FORBIDDEN to a watch
 *  token. */
export async function readCards(context: Context, taskId: string, page: PageArguments): Promise<Connection<GiftCard>> {
  requireCaller(context);
  return readPage(page, {
    defaultPage: cardsPage,
    pattern: /^card:([0-9a-f]{24})$/,
    cursorOf: ({ id }) => `card:${id}`,
    read: (limit, after) => listCards(context.deps.db, taskId, { afterId: after?.[0], limit }),
  });
}
