import { Readable } from 'node:stream';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { GatewayDeps } from '../../deps.ts';
import { cardsCsvPath, type GiftCard, listCards, streamCards } from '../../domain/gift-cards.ts';
import { bulkIssuanceStatusOf, issuanceCountsOf, issuanceErrorOf } from '../../tasks/results.ts';
import type { Snapshot } from '../../tasks/snapshot.ts';
import type { PollModel } from '../poll-bodies.ts';
import type { TaskStatus } from './shapes.ts';

/** Up to how many cards are told in one piece; of more, events tell none. */
const maxCardsAtOnce = 1_000;

type Cards = Pick<TaskStatus, 'cards' | 'csvDownloadUrl'>;

/** How an issuance is told. A link is told again for as long as it lasts at least `BULKCAST_LINK_SECONDS`; a copy is confirmed
 *  until the link in it may have expired. */
export function issuanceModel(deps: GatewayDeps): PollModel {
  const linkMs = deps.config.BULKCAST_LINK_SECONDS * 1000;
  return {
    describe: (task, isConfined) => {
      if (isConfined || task.state !== 'SUCCEEDED') return taskStatus(task);
      return readCards(deps, task).then((cards) => taskStatus(task, cards));
    },
    validity: ({ state, completedAt }) => {
      if (state !== 'SUCCEEDED' || completedAt === null) return undefined;
      const bodyUntil = (Math.floor(Date.now() / linkMs) + 1) * linkMs;
      return { bodyUntil, copiesUntil: completedAt.getTime() + linkMs };
    },
  };
}

/** Who may only watch is shown no cards. */
export function taskStatus(
  task: Snapshot,
  { cards, csvDownloadUrl }: Cards = { cards: null, csvDownloadUrl: null },
): TaskStatus {
  const { issuedCount, failedCount } = issuanceCountsOf(task);
  return {
    taskId: task.id,
    status: bulkIssuanceStatusOf(task.state),
    issuedCount,
    cards,
    csvDownloadUrl,
    failedCount,
    error: issuanceErrorOf(task),
    completedAt: task.completedAt?.toISOString() ?? null,
  };
}

/** True of an issuance that has too many cards for one piece, and not too many for a poll. */
export function isStreamed(deps: Pick<GatewayDeps, 'config'>, { state, succeeded }: Snapshot): boolean {
  return state === 'SUCCEEDED' && succeeded > maxCardsAtOnce && succeeded <= deps.config.BULKCAST_POLL_CARDS;
}

/** The body of such an issuance, a thousand cards at a time. A client that reads nothing any more is cut off. */
export function streamStatus(
  deps: GatewayDeps,
  request: FastifyRequest,
  reply: FastifyReply,
  task: Snapshot,
): Readable {
  if (request.method === 'HEAD') return Readable.from([]);
  reply.raw.setTimeout(deps.config.BULKCAST_UPLOAD_STALL_MS, () => {
    deps.log.info('poll.stalled', { request: request.id, task: task.id });
    reply.raw.destroy();
  });
  const status = taskStatus(task, { cards: [], csvDownloadUrl: csvUrlOf(deps, task) });
  const batches = streamCards(deps.db, task.id, request.signal);
  const stream = Readable.from(toPieces(JSON.stringify(status), batches), { highWaterMark: 1 });
  stream.once('error', (error) => deps.log.error('poll.failed', { request: request.id, task: task.id, error }));
  return stream;
}

/** Fills in the empty list of cards. */
async function* toPieces(status: string, batches: AsyncIterable<readonly GiftCard[]>): AsyncGenerator<string> {
  const start = status.indexOf(emptyCards) + emptyCards.length - 1;
  yield status.slice(0, start);
  let separator = '';
  for await (const cards of batches) {
    yield separator + cards.map((card) => JSON.stringify(toSummary(card))).join(',');
    separator = ',';
  }
  yield status.slice(start);
}

const emptyCards = '"cards":[]';

async function readCards(deps: GatewayDeps, task: Snapshot): Promise<Cards> {
  const limit = Math.min(deps.config.BULKCAST_POLL_CARDS, maxCardsAtOnce);
  const csvDownloadUrl = csvUrlOf(deps, task);
  if (task.succeeded > limit) return { cards: null, csvDownloadUrl };
  return { cards: (await listCards(deps.db, task.id, { limit })).map(toSummary), csvDownloadUrl };
}

/** The signed link to the CSV of an issuance that has cards. */
export function csvUrlOf(deps: Pick<GatewayDeps, 'links'>, { id, succeeded, parameters }: Snapshot): string | null {
  return succeeded > 0 ? deps.links.sign(cardsCsvPath(String(parameters.programId), id)) : null;
}

/** A card as answers list it. */
export function toSummary({ id, cardNumber, lastFourDigits }: GiftCard): GiftCard {
  return { id, cardNumber, lastFourDigits };
}
