import { randomBytes } from 'node:crypto';
import { sql } from 'kysely';
import { z } from 'zod';
import { rowsAs } from '../db/rows.ts';
import { makeCardNumbers } from '../domain/card-numbers.ts';
import { deleteUnusedCards, findProgram } from '../domain/gift-cards.ts';
import { reason } from '../domain/reasons.ts';
import { badInput, notFound } from '../errors.ts';
import { dateTime, text } from '../tasks/input.ts';
import { type ApplyContext, type Chunk, defineOperation, type Failure } from '../tasks/operation.ts';

const dayMs = 24 * 3600 * 1000;
const defaultValidityDays = 365;

const part = (description: string) => text().max(2000).nullable().optional().describe(description);

const recipient = z
  .strictObject({
    customerEmail: part('Where the card is announced.'),
    customerPhone: part("The recipient's telephone number."),
    customerName: part("The recipient's name, printed on the card."),
    senderName: part('Who gives the card.'),
    customMessage: part('A message to the recipient.'),
  })
  .meta({ id: 'GiftCardRecipientInput', description: 'Whom one card is for; every part is optional.' });
type Recipient = z.infer<typeof recipient>;

/** The longest value of each part; a longer one refuses that card only. */
const maxLengths = {
  customerEmail: 254,
  customerPhone: 40,
  customerName: 200,
  senderName: 200,
  customMessage: 1000,
} as const;
const parts = Object.keys(maxLengths) as (keyof Recipient)[];

const decimal = z
  .union([z.number(), z.string()])
  .transform((value, context) => {
    const [, whole = '', cents = ''] = /^(\d{1,5})(?:\.(\d{1,2})0*)?$/.exec(String(value).trim()) ?? [];
    const amount = Number(`${whole}.${cents}`);
    if (whole !== '' && amount >= 0.01 && amount <= 10_000) return amount.toFixed(2);
    context.addIssue({
      code: 'custom',
      message: 'expected an amount from 0.01 to 10000 with at most two decimals',
      input: value,
      params: { type: whole === '' ? 'decimal_parsing' : amount < 0.01 ? 'greater_than_equal' : 'less_than_equal' },
    });
    return z.NEVER;
  })
  .meta({ graphql: 'Decimal', description: "Amount on each card, 0.01 to 10000, in the program's currency." });

const input = z
  .strictObject({
    programId: z
      .string()
      .regex(/^[0-9a-f]{24}$/)
      .meta({ graphql: 'ID', description: 'The program that issues the cards: 24 hex digits.' }),
    initialValue: decimal,
    isPhysical: z.boolean().default(false).describe('Whether the cards are printed on plastic.'),
    designTemplate: text().max(100).nullable().optional().describe('Name of the design.'),
    expiresAt: dateTime('When the cards end; default: 365 days from now.').nullable().optional(),
    count: z.int().min(1).nullable().optional().describe('How many cards to issue; give this or recipients.'),
    recipients: z
      .array(recipient)
      .min(1)
      .nullable()
      .optional()
      .describe('One card for each recipient; give this or count.'),
  })
  .superRefine((value, context) => {
    if ((value.count ?? null) === null && (value.recipients ?? null) === null) {
      context.addIssue({
        code: 'custom',
        path: ['count'],
        message: 'exactly one of count and recipients is required',
        input: value.count,
        params: { type: 'value_error' },
      });
    }
    if ((value.count ?? null) !== null && (value.recipients ?? null) !== null) {
      context.addIssue({
        code: 'custom',
        path: ['recipients'],
        message: 'give count or recipients, not both',
        input: value.recipients,
        params: { type: 'value_error' },
      });
    }
  });

const parameters = z.object({
  programId: z.string(),
  cardPrefix: z.string(),
  currency: z.string(),
  initialValue: z.string(),
  isPhysical: z.boolean(),
  designTemplate: z.string().nullable(),
  expiresAt: z.string(),
});

export const issueGiftCards = defineOperation<z.infer<typeof input>, Recipient>({
  name: 'gift_cards.issue',
  model: 'BULK_ISSUANCE',
  actionType: null,
  result: null,
  chunkSize: 10_000,
  mutation: {
    name: 'issueGiftCards',
    description: 'Issues gift cards of one program: a number of them, or one for each recipient.',
  },
  input,
  rest: null,

  async plan(request, { tx, projectId, limits }) {
    const program = await findProgram(tx, request.programId);
    if (program?.projectId !== projectId) throw notFound('program', request.programId);
    const { count, recipients, expiresAt } = request;
    // Not with the rest of the input: a repeated request must find its task, however late it comes.
    if (expiresAt && Date.parse(expiresAt) <= Date.now()) {
      throw badInput(['expiresAt'], 'INVALID', 'expected a moment in the future', expiresAt);
    }
    if ((count ?? 0) > limits.maxItems) {
      throw badInput(
        ['count'],
        'TOO_MANY_ITEMS',
        `A task takes at most ${limits.maxItems} items; split the request`,
        count,
      );
    }
    return {
      parameters: {
        programId: program.id,
        cardPrefix: makeCardPrefix(),
        currency: program.currency,
        initialValue: request.initialValue,
        isPhysical: request.isPhysical,
        designTemplate: request.designTemplate ?? null,
        expiresAt: new Date(expiresAt ?? Date.now() + defaultValidityDays * dayMs).toISOString(),
      },
      items: recipients ?? { count: count ?? 0 },
    };
  },

  // The rows of the new task begin at 1 again, and ids are made of the prefix and the row.
  replan: async (settled) => ({ ...settled, cardPrefix: makeCardPrefix() }),

  async apply(chunk, context) {
    const failures = chunk.items.flatMap((item, index) => refuse(item, chunk.firstRow + index));
    const refused = new Set(failures.map((failure) => failure.row));
    await insertCards(chunk, refused, context);
    return { failures };
  },

  async undo(chunk, context) {
    const used = await deleteUnusedCards(context.tx, parameters.parse(context.parameters).cardPrefix, chunk);
    const message = 'The card has been used';
    return { failures: used.map((row) => ({ row, key: null, code: 'IN_USE', message })) };
  },
});

/** Laid out as an ObjectId is: seconds, then five random bytes; the row fills the three bytes of its counter. */
function makeCardPrefix(): string {
  const seconds = Math.floor(Date.now() / 1000)
    .toString(16)
    .padStart(8, '0');
  return seconds + randomBytes(5).toString('hex');
}

function refuse(item: Recipient, row: number): Failure[] {
  for (const name of parts) {
    const value = item[name];
    if (typeof value === 'string' && value.length > maxLengths[name]) {
      const message = reason(name, `must have at most ${maxLengths[name]} characters`, value);
      return [{ row, key: item.customerEmail ?? null, code: 'INVALID', message }];
    }
  }
  if (item.customerEmail && !/^[^\s@]+@[^\s@]+\.[^\s@]+$/.test(item.customerEmail)) {
    const message = reason('customerEmail', 'must be a valid e-mail address', item.customerEmail);
    return [{ row, key: item.customerEmail, code: 'INVALID', message }];
  }
  return [];
}

async function insertCards(
  chunk: Chunk<Recipient>,
  refused: ReadonlySet<number>,
  context: ApplyContext,
): Promise<void> {
  const settled = parameters.parse(context.parameters);
  const numbers: (string | null)[] = makeCardNumbers(chunk.size);
  for (const row of refused) numbers[row - chunk.firstRow] = null;
  const columns = sql`id, project_id, program_id, card_number, initial_value, balance, currency, is_physical, design_template, expires_at`;
  const values = sql`
    ${settled.cardPrefix} || lpad(to_hex(${chunk.firstRow}::integer + position::integer - 1), 6, '0'),
    ${context.projectId}::uuid, ${settled.programId}, card_number, ${settled.initialValue}::numeric,
    ${settled.initialValue}::numeric, ${settled.currency}, ${settled.isPhysical}::boolean,
    ${settled.designTemplate}::text, ${settled.expiresAt}::timestamptz`;
  const cards = sql`unnest(${numbers}::text[]) with ordinality as c(card_number, position)`;
  if (chunk.items.length === 0) {
    await sql`insert into gift_cards (${columns}) select ${values} from ${cards}`.execute(context.tx);
    return;
  }
  const people = chunk.items.map((item, index) => ({
    row_position: index + 1,
    customer_email: item.customerEmail ?? null,
    customer_phone: item.customerPhone ?? null,
    customer_name: item.customerName ?? null,
    sender_name: item.senderName ?? null,
    custom_message: item.customMessage ?? null,
  }));
  const types = {
    row_position: 'integer',
    customer_email: 'text',
    customer_phone: 'text',
    customer_name: 'text',
    sender_name: 'text',
    custom_message: 'text',
  };
  await sql`
    insert into gift_cards (${columns}, customer_email, customer_phone, customer_name, sender_name, custom_message)
    select ${values}, p.customer_email, p.customer_phone, p.customer_name, p.sender_name, p.custom_message
    from ${cards} join ${rowsAs('p', types, people)} on p.row_position = c.position
    where c.card_number is not null`.execute(context.tx);
}
