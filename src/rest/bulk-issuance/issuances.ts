import type { FastifyInstance } from 'fastify';
import type { GatewayDeps } from '../../deps.ts';
import { cardsCsvPath, findProgram, findTaskCard, type GiftCard, listCards } from '../../domain/gift-cards.ts';
import { ClientError, notFound } from '../../errors.ts';
import { issueGiftCards } from '../../operations/issue-gift-cards.ts';
import { bulkIssuanceStatusOf, issuanceCountsOf, issuanceErrorOf } from '../../tasks/results.ts';
import type { Snapshot } from '../../tasks/snapshot.ts';
import { startTask } from '../../tasks/start.ts';
import { isFinal } from '../../tasks/state.ts';
import { callerOf, watcherOf } from '../door.ts';
import { readIdempotencyKey } from '../idempotency-key.ts';
import { answerPoll } from '../polls.ts';
import { findIssuance } from './find-issuance.ts';
import { countCards, readPoll, readStart } from './requests.ts';
import type { AsyncResponse, SyncResponse, TaskStatus } from './shapes.ts';

interface Start {
  readonly Params: { readonly programId: string };
}
interface Poll {
  readonly Params: { readonly programId: string; readonly taskId: string };
}

const path = '/giftcards/programs/:programId/cards/bulk';

/** The start and the poll of a bulk issuance. */
export function registerIssuances(server: FastifyInstance, deps: GatewayDeps): void {
  server.post<Start>(path, async (request, reply) => {
    const { programId } = request.params;
    const input = readStart(programId, request.query, request.body, deps.engine.limits.maxItems);
    const isSmall = countCards(input) <= deps.config.BULKCAST_SYNC_CARDS;
    const task = await startTask(deps.engine, {
      operation: issueGiftCards,
      input,
      projectId: callerOf(request).projectId,
      requestId: request.id,
      idempotencyKey: readIdempotencyKey(request.headers),
      inline: isSmall,
    });
    if (isSmall && isFinal(task.state)) return reply.code(201).send(await syncResponse(deps, programId, task));
    // As it was accepted, so that a repeated request has the same answer.
    const accepted: AsyncResponse = { taskId: task.id, status: 'pending' };
    return reply.code(202).send(accepted);
  });

  server.get<Poll>(`${path}/:taskId`, { config: { door: 'poll', isWatch: true } }, async (request, reply) => {
    const { programId, taskId } = request.params;
    const watcher = watcherOf(request, taskId);
    const cardId = readPoll(programId, request.query);
    if (watcher === undefined) throw taskNotFound();
    const task = await findIssuance(deps.db, watcher.projectId, programId, taskId);
    if (task === undefined) throw await whyNotFound(deps, watcher.projectId, programId);
    const isConfined = watcher.taskId !== null;
    return answerPoll(request, reply, task, {
      mayBeStale: mayHoldExpiredLink(deps, task),
      isConfined,
      body: async () =>
        isConfined ? taskStatus(task) : taskStatus(task, await readCards(deps, programId, task, cardId)),
    });
  });
}

async function syncResponse(deps: GatewayDeps, programId: string, task: Snapshot): Promise<SyncResponse> {
  const cards = await listCards(deps.db, task.id, { limit: deps.config.BULKCAST_SYNC_CARDS });
  return {
    issuedCount: task.succeeded,
    cards: cards.map(toSummary),
    csvDownloadUrl: csvUrlOf(deps, programId, task),
    failedCount: task.failed,
  };
}

type Cards = Pick<TaskStatus, 'cards' | 'csvDownloadUrl'>;

/** Who may only watch is shown no cards. */
function taskStatus(
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

async function readCards(
  deps: GatewayDeps,
  programId: string,
  task: Snapshot,
  cardId: string | undefined,
): Promise<Cards | undefined> {
  if (task.state !== 'SUCCEEDED') return undefined;
  return { cards: await cardsOf(deps, task, cardId), csvDownloadUrl: csvUrlOf(deps, programId, task) };
}

/** All cards, or the one asked for; null when there are more than a poll lists. */
async function cardsOf(deps: GatewayDeps, task: Snapshot, cardId: string | undefined): Promise<GiftCard[] | null> {
  if (cardId !== undefined) {
    const card = await findTaskCard(deps.db, task.id, cardId);
    return card === undefined ? [] : [toSummary(card)];
  }
  const limit = deps.config.BULKCAST_POLL_CARDS;
  if (task.succeeded > limit) return null;
  return (await listCards(deps.db, task.id, { limit })).map(toSummary);
}

function csvUrlOf(deps: GatewayDeps, programId: string, task: Snapshot): string | null {
  return task.succeeded > 0 ? deps.links.sign(cardsCsvPath(programId, task.id)) : null;
}

/** A client that asks whether anything is new may hold an answer as old as the task's end, and the link in it. */
function mayHoldExpiredLink(deps: GatewayDeps, task: Snapshot): boolean {
  if (task.completedAt === null) return false;
  return Date.now() - task.completedAt.getTime() > deps.config.BULKCAST_LINK_SECONDS * 1000;
}

async function whyNotFound(deps: GatewayDeps, projectId: string, programId: string): Promise<ClientError> {
  const program = await findProgram(deps.db, programId);
  if (program?.projectId !== projectId) return notFound('program', programId);
  return taskNotFound();
}

function taskNotFound(): ClientError {
  return new ClientError('NOT_FOUND', 'Task not found');
}

function toSummary({ id, cardNumber, lastFourDigits }: GiftCard): GiftCard {
  return { id, cardNumber, lastFourDigits };
}
