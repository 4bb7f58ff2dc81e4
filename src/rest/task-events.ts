import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Following } from '../auth/standings.ts';
import type { GatewayDeps } from '../deps.ts';
import { openEventStreams } from '../event-stream.ts';
import { streamLimits } from '../lifetimes.ts';
import type { Membership } from '../progress/subscriber.ts';
import { openTaskStreams } from '../progress/task-streams.ts';
import type { Snapshot } from '../tasks/snapshot.ts';
import { isFinal } from '../tasks/state.ts';
import { watcherOf } from './door.ts';
import type { PollBodies } from './poll-bodies.ts';
import type { Polled } from './polls.ts';

/** Server-sent events of single tasks: each has the body of a poll. */
export interface TaskEvents {
  /**
   * Sends the task as an event `next`, its version as the id, then whatever is newer, then `complete`. Goes on after
   * `Last-Event-ID`; who has the final version already is answered 204, which tells an EventSource to stay away.
   */
  stream(request: FastifyRequest, reply: FastifyReply, polled: Polled): FastifyReply;
  /** Sends all of them away over a while. May be called twice. */
  stop(): Promise<void>;
}

const complete = Buffer.from('event: complete\ndata:\n\n');
/** Comes back, and is told why not. */
const lostStanding = Buffer.from(': the credentials do not stand any more\n\n');

export function openTaskEvents(deps: GatewayDeps): TaskEvents {
  const events = openEventStreams(deps.log, streamLimits(deps.config));
  const streams = openTaskStreams<Buffer>(deps.feeds, (change) =>
    deps.metrics.subscribers.inc({ kind: 'task' }, change),
  );
  const stream = (request: FastifyRequest, reply: FastifyReply, polled: Polled): FastifyReply => {
    const { task, isConfined, bodies } = polled;
    const afterVersion = readLastEventId(request);
    // Any page may ask: no cookie is ever read.
    reply.header('access-control-allow-origin', '*').header('access-control-expose-headers', 'x-resumed-after');
    if (afterVersion !== undefined) reply.header('x-resumed-after', afterVersion);
    if (isFinal(task.state) && afterVersion !== undefined && afterVersion >= task.version)
      return reply.code(204).send();
    let membership: Membership | undefined;
    let following: Following | undefined;
    const stream = events.open(reply, () => {
      membership?.leave();
      following?.stop();
    });
    if (stream.response.closed) return reply;
    events.write(stream, Buffer.from(`retry: ${retryMs()}\n\n`));
    const end = (error?: unknown) => {
      if (error === undefined) return events.end(stream, complete);
      deps.log.error('events.failed', { request: request.id, task: task.id, error });
      stream.response.destroy();
    };
    const send = (event: Buffer) => {
      if (membership === undefined || !events.accepts(stream, membership)) return false;
      events.write(stream, event);
      return true;
    };
    const { id, projectId } = task;
    const key = `${id} ${isConfined}`;
    const joined = { key, projectId, id, render: (version: Snapshot) => render(bodies, version, isConfined) };
    membership = streams.join(joined, afterVersion ?? 0, { send, end });
    const lost = () => {
      membership?.leave();
      events.end(stream, lostStanding);
    };
    const caller = watcherOf(request, id);
    if (caller !== undefined) following = deps.auth.standings.follow(caller, { lost });
    return reply;
  };
  return { stream, stop: () => events.stop() };
}

function render(bodies: PollBodies, task: Snapshot, isConfined: boolean): Buffer | Promise<Buffer> {
  const toEvent = (text: string) => Buffer.from(`event: next\nid: ${task.version}\ndata: ${text}\n\n`);
  const body = bodies.peek(task, isConfined);
  return body === undefined ? bodies.make(task, isConfined).then(({ text }) => toEvent(text)) : toEvent(body.text);
}

/** After how long a client that was cut off comes back: not all of them at once. */
function retryMs(): number {
  return 1_000 + Math.floor(Math.random() * 2_000);
}

/** The version to go on after: an EventSource sends the header by itself, whoever cannot set one gives the parameter. */
function readLastEventId({ headers, query }: FastifyRequest): number | undefined {
  const parameter: unknown = new Map<string, unknown>(Object.entries(Object(query))).get('last_event_id');
  const given = [headers['last-event-id'], parameter].flat();
  const versions = given.flatMap((text) => (typeof text === 'string' && /^\d{1,10}$/.test(text) ? [Number(text)] : []));
  return versions.length > 0 ? Math.max(...versions) : undefined;
}
