import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { GatewayDeps } from '../../deps.ts';
import { findProgram, findTaskCard, issuancePath, listCards } from '../../domain/gift-cards.ts';
import { ClientError, notFound } from '../../errors.ts';
import { issueGiftCards } from '../../operations/issue-gift-cards.ts';
import type { Snapshot } from '../../tasks/snapshot.ts';
import { startTask } from '../../tasks/start.ts';
import { isFinal } from '../../tasks/state.ts';
import { takeStart, watcherOf } from '../door.ts';
import type { PollBodies } from '../poll-bodies.ts';
import { answerPoll, type Polled, tellPoll, waitAsPreferred } from '../polls.ts';
import { readStarter } from '../starter.ts';
import type { TaskEvents } from '../task-events.ts';
import { findIssuance } from './find-issuance.ts';
import { csvUrlOf, isStreamed, streamStatus, taskStatus, toSummary } from './issuance-bodies.ts';
import { countCards, readPoll, readStart } from './requests.ts';
import type { AsyncResponse, SyncResponse } from './shapes.ts';

interface Start {
  readonly Params: { readonly programId: string };
}
interface Poll {
  readonly Params: { readonly programId: string; readonly taskId: string };
}

interface Told {
  readonly bodies: PollBodies;
  readonly events: TaskEvents;
}

const path = '/giftcards/programs/:programId/cards/bulk';

/** The start of a bulk issuance, its poll and its events. */
export function registerIssuances(server: FastifyInstance, deps: GatewayDeps, { bodies, events }: Told): void {
  server.post<Start>(path, async (request, reply) => {
    const { programId } = request.params;
    const input = readStart(programId, request.query, request.body, deps.engine.limits.maxItems);
    const isSmall = countCards(input) <= deps.config.BULKCAST_SYNC_CARDS;
    await takeStart(request);
    const task = await startTask(deps.engine, {
      operation: issueGiftCards,
      input,
      ...readStarter(request, reply),
      inline: isSmall,
    });
    tellPoll(reply, deps, issuancePath(programId, task.id));
    if (isSmall && isFinal(task.state)) return reply.code(201).send(await syncResponse(deps, task));
    // As it was accepted, so that a repeated request has the same answer.
    const accepted: AsyncResponse = { taskId: task.id, status: 'pending' };
    return reply.code(202).send(accepted);
  });

  server.get<Poll>(`${path}/:taskId`, { config: { door: 'poll', isWatch: true } }, async (request, reply) => {
    const cardId = readPoll(request.params.programId, request.query);
    const { task: found, isConfined } = await findPolled(deps, request);
    const task = (await waitAsPreferred(request, reply, deps, { task: found, isConfined })) ?? found;
    const polled = { task, isConfined, bodies };
    if (isConfined || task.state !== 'SUCCEEDED') return answerPoll(request, reply, polled);
    if (cardId !== undefined) return answerPoll(request, reply, polled, () => statusWithCard(deps, task, cardId));
    if (!isStreamed(deps, task)) return answerPoll(request, reply, polled);
    return answerPoll(request, reply, polled, async () => streamStatus(deps, request, reply, task));
  });

  server.get<Poll>(
    `${path}/:taskId/events`,
    { config: { isWatch: true, isEvents: true }, exposeHeadRoute: false },
    async (request, reply) => {
      readPoll(request.params.programId, {});
      return events.stream(request, reply, { ...(await findPolled(deps, request)), bodies });
    },
  );
}

async function findPolled(
  deps: GatewayDeps,
  request: FastifyRequest<Poll>,
): Promise<Pick<Polled, 'task' | 'isConfined'>> {
  const { programId, taskId } = request.params;
  const watcher = watcherOf(request, taskId);
  if (watcher === undefined) throw taskNotFound();
  const task = await findIssuance(deps.polled, watcher.projectId, programId, taskId);
  if (task === undefined) throw await whyNotFound(deps, watcher.projectId, programId);
  return { task, isConfined: watcher.taskId !== null };
}

async function syncResponse(deps: GatewayDeps, task: Snapshot): Promise<SyncResponse> {
  const cards = await listCards(deps.db, task.id, { limit: deps.config.BULKCAST_SYNC_CARDS });
  return {
    issuedCount: task.succeeded,
    cards: cards.map(toSummary),
    csvDownloadUrl: csvUrlOf(deps, task),
    failedCount: task.failed,
  };
}

async function statusWithCard(deps: GatewayDeps, task: Snapshot, cardId: string): Promise<object> {
  const card = await findTaskCard(deps.db, task.id, cardId);
  return taskStatus(task, { cards: card === undefined ? [] : [toSummary(card)], csvDownloadUrl: csvUrlOf(deps, task) });
}

async function whyNotFound(deps: GatewayDeps, projectId: string, programId: string): Promise<ClientError> {
  const program = await findProgram(deps.db, programId);
  if (program?.projectId !== projectId) return notFound('program', programId);
  return taskNotFound();
}

function taskNotFound(): ClientError {
  return new ClientError('NOT_FOUND', 'Task not found');
}
