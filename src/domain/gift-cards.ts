import { randomBytes } from 'node:crypto';
import { sql } from 'kysely';
import type { Database, Tx } from '../db/client.ts';

export interface GiftCardProgram {
  readonly id: string;
  readonly projectId: string;
  readonly name: string;
  /** ISO 4217. */
  readonly currency: string;
}

export interface GiftCard {
  /** 24 hex digits. */
  readonly id: string;
  /** 16 digits, valid by Luhn. */
  readonly cardNumber: string;
  readonly lastFourDigits: string;
}

/** A card as the CSV of a task tells it. */
export interface CardDetails extends GiftCard {
  /** A decimal string of `currency`. */
  readonly balance: string;
  readonly currency: string;
  readonly expiresAt: Date;
  readonly customerEmail: string | null;
  readonly customerName: string | null;
}

/** Cards of one query of a download: small enough not to hold up other requests while they are written out. */
const streamBatch = 1_000;

/** Where an issuance is polled. */
export function issuancePath(programId: string, taskId: string): string {
  return `/v2/giftcards/programs/${programId}/cards/bulk/${taskId}`;
}

/** Where the CSV of an issuance is downloaded. */
export function cardsCsvPath(programId: string, taskId: string): string {
  return `${issuancePath(programId, taskId)}/cards.csv`;
}

export async function createProgram(
  db: Database,
  projectId: string,
  program: { readonly name: string; readonly currency: string },
): Promise<GiftCardProgram> {
  const id = randomBytes(12).toString('hex');
  await db
    .insertInto('gift_card_programs')
    .values({ id, project_id: projectId, ...program })
    .execute();
  return { id, projectId, ...program };
}

/** Any project's program: the caller compares `projectId`. */
export async function findProgram(db: Database | Tx, id: string): Promise<GiftCardProgram | undefined> {
  const row = await db.selectFrom('gift_card_programs').selectAll().where('id', '=', id).executeTakeFirst();
  return row && { id: row.id, projectId: row.project_id, name: row.name, currency: row.currency };
}

/** One page of the cards that a task has issued, in row order. */
export async function listCards(
  db: Database,
  taskId: string,
  page: { readonly afterId?: string | undefined; readonly limit: number },
): Promise<GiftCard[]> {
  return selectCards(db, taskId, page.afterId, page.limit);
}

/** Deletes the cards of these rows of an issuance, whose ids begin with `prefix`, that nobody has used, and returns the rows of the others. */
export async function deleteUnusedCards(
  tx: Tx,
  prefix: string,
  rows: { readonly firstRow: number; readonly size: number },
): Promise<number[]> {
  const idOf = (row: number) => prefix + row.toString(16).padStart(6, '0');
  const cards = sql`id between ${idOf(rows.firstRow)} and ${idOf(rows.firstRow + rows.size - 1)}`;
  await sql`delete from gift_cards where ${cards} and balance = initial_value`.execute(tx);
  const { rows: left } = await sql<{ id: string }>`select id from gift_cards where ${cards} order by id`.execute(tx);
  return left.map(({ id }) => Number.parseInt(id.slice(prefix.length), 16));
}

/** A card, if this task has issued it. */
export async function findTaskCard(db: Database, taskId: string, cardId: string): Promise<GiftCard | undefined> {
  const row = await cardsOf(db, taskId).where('id', '=', cardId).executeTakeFirst();
  return row && toDetails(row);
}

/** All cards of a task in row order, in batches, each batch one query; ends early when the signal aborts. */
export async function* streamCards(db: Database, taskId: string, signal: AbortSignal): AsyncGenerator<CardDetails[]> {
  let afterId: string | undefined;
  while (!signal.aborted) {
    const batch = await selectCards(db, taskId, afterId, streamBatch);
    if (batch.length > 0) yield batch;
    if (batch.length < streamBatch) return;
    afterId = batch.at(-1)?.id;
  }
}

async function selectCards(
  db: Database,
  taskId: string,
  afterId: string | undefined,
  limit: number,
): Promise<CardDetails[]> {
  let query = cardsOf(db, taskId).orderBy('id').limit(limit);
  if (afterId !== undefined) query = query.where('id', '>', afterId);
  return (await query.execute()).map(toDetails);
}

/** The cards of a task are the range of ids under its prefix. */
function cardsOf(db: Database, taskId: string) {
  const prefix = sql<string>`(select parameters->>'cardPrefix' from tasks where id = ${taskId})`;
  return db
    .selectFrom('gift_cards')
    .select(['id', 'card_number', 'balance', 'currency', 'expires_at', 'customer_email', 'customer_name'])
    .where('id', '>=', sql<string>`${prefix} || '000000'`)
    .where('id', '<=', sql<string>`${prefix} || 'ffffff'`);
}

function toDetails(row: {
  id: string;
  card_number: string;
  balance: string;
  currency: string;
  expires_at: Date;
  customer_email: string | null;
  customer_name: string | null;
}): CardDetails {
  return {
    id: row.id,
    cardNumber: row.card_number,
    lastFourDigits: row.card_number.slice(-4),
    balance: row.balance,
    currency: row.currency,
    expiresAt: row.expires_at,
    customerEmail: row.customer_email,
    customerName: row.customer_name,
  };
}
