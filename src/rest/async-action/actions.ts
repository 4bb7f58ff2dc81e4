import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { GatewayDeps } from '../../deps.ts';
import { readWireDate } from '../../domain/dates.ts';
import { notFound } from '../../errors.ts';
import { listTasks } from '../../tasks/lists.ts';
import type { Snapshot } from '../../tasks/snapshot.ts';
import { callerOf, watcherOf } from '../door.ts';
import type { PollBodies } from '../poll-bodies.ts';
import { answerPoll, type Polled, waitAsPreferred, whenGone } from '../polls.ts';
import type { TaskEvents } from '../task-events.ts';
import { describeAction } from './action-bodies.ts';
import { invalidParameter, readLimit } from './paging.ts';
import type { ActionList } from './shapes.ts';

interface Poll {
  readonly Params: { readonly asyncActionId: string };
}
interface List {
  readonly Querystring: { readonly limit?: unknown; readonly end_date?: unknown };
}
interface Told {
  readonly bodies: PollBodies;
  readonly events: TaskEvents;
}

/** The poll of one async action, its events, and their list. */
export function registerActions(server: FastifyInstance, deps: GatewayDeps, { bodies, events }: Told): void {
  server.get<Poll>(
    '/async-actions/:asyncActionId',
    { config: { door: 'poll', isWatch: true } },
    async (request, reply) => {
      const { isConfined, task: found } = await findAction(deps, request, request.params.asyncActionId);
      const task =
        (await waitAsPreferred(request, reply, deps, { task: found, isConfined })) ??
        (found.state === 'QUEUED' ? await waitForStart(deps, reply, found) : found);
      return answerPoll(request, reply, { task, isConfined, bodies });
    },
  );

  server.get<Poll>(
    '/async-actions/:asyncActionId/events',
    { config: { isWatch: true, isEvents: true }, exposeHeadRoute: false },
    async (request, reply) => {
      const found = await findAction(deps, request, request.params.asyncActionId);
      return events.stream(request, reply, { ...found, bodies });
    },
  );

  // Those that read the list know nothing of dry runs and undo.
  server.get<List>('/async-actions', async (request): Promise<ActionList> => {
    const limit = readLimit(request.query.limit);
    const filter = {
      models: ['ASYNC_ACTION'],
      kinds: ['RUN'],
      createdBefore: readEndDate(request.query.end_date),
    } as const;
    const tasks = await listTasks(deps.db, callerOf(request).projectId, filter, { limit: limit + 1 });
    return {
      object: 'list',
      data_ref: 'async_actions',
      async_actions: tasks.slice(0, limit).map((task) => describeAction(deps, task)),
      has_more: tasks.length > limit,
    };
  });
}

async function findAction(
  deps: GatewayDeps,
  request: FastifyRequest,
  id: string,
): Promise<Pick<Polled, 'task' | 'isConfined'>> {
  const watcher = watcherOf(request, id);
  // An id of another form is nobody's, and need not be a text that Postgres takes.
  const canExist = watcher !== undefined && /^aa_[0-9a-f]{18}$/.test(id);
  const task = canExist ? await deps.polled.read(watcher.projectId, id) : undefined;
  if (task?.model !== 'ASYNC_ACTION') throw notFound('async_action', id);
  return { task, isConfined: watcher?.taskId !== null };
}

/** Two official clients stop at the first answer that is not IN_PROGRESS, so a QUEUED task gets a moment to start. */
async function waitForStart(deps: GatewayDeps, reply: FastifyReply, task: Snapshot): Promise<Snapshot> {
  const ms = deps.config.BULKCAST_POLL_WAIT_MS;
  if (ms === 0) return task;
  return deps.polled.wait(task, ({ state }) => state !== 'QUEUED', { ms, signal: whenGone(reply) });
}

function readEndDate(given: unknown): Date | undefined {
  if (given === undefined) return undefined;
  const date = typeof given === 'string' ? readWireDate(given) : undefined;
  if (date === undefined) throw invalidParameter('end_date', 'cannot be recognized as a ISO-8601 compliant date');
  return date;
}
