import type { FastifyReply, FastifyRequest } from 'fastify';
import { badInput } from '../errors.ts';
import type { StartRequest } from '../tasks/start.ts';
import { isPriority, type TaskPriority, taskPriorities } from '../tasks/state.ts';
import { callerOf } from './door.ts';
import { readIdempotencyKey } from './idempotency-key.ts';

/** What a start takes from its request besides what is to be done: who asks, and the headers of every start. The answer tells in
 *  `Idempotency-Key-Expires` until when a key stands. Throws BAD_USER_INPUT when `X-Task-Priority` is none. */
export function readStarter(request: FastifyRequest, reply: FastifyReply): Omit<StartRequest, 'operation' | 'input'> {
  const { projectId, name } = callerOf(request);
  return {
    projectId,
    startedBy: name,
    requestId: request.id,
    idempotencyKey: readIdempotencyKey(request.headers),
    keyKept: (until) => reply.header('idempotency-key-expires', until.toUTCString()),
    priority: readPriority(request.headers['x-task-priority']),
  };
}

function readPriority(header: unknown): TaskPriority | undefined {
  if (header === undefined) return undefined;
  const known = Object.keys(taskPriorities).filter(isPriority);
  const priority = known.find((name) => name === String(header).trim().toUpperCase());
  if (priority !== undefined) return priority;
  throw badInput(
    ['header', 'X-Task-Priority'],
    'INVALID',
    `X-Task-Priority should be one of ${known.join(', ')}`,
    header,
  );
}
