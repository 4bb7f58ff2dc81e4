import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Snapshot } from '../tasks/snapshot.ts';
import { isFinal } from '../tasks/state.ts';

/**
 * Answers a poll from one snapshot: its version is the ETag (another one for what a caller sees who `isConfined` to watching), 304
 * goes to a client that has that version (unless `mayBeStale`), and one that has to ask again is told when.
 */
export async function answerPoll(
  request: FastifyRequest,
  reply: FastifyReply,
  snapshot: Snapshot,
  answer: { readonly mayBeStale: boolean; readonly isConfined: boolean; readonly body: () => Promise<object> },
): Promise<FastifyReply> {
  const tag = answer.isConfined ? `"${snapshot.version}-watch"` : `"${snapshot.version}"`;
  const hasIt = !answer.mayBeStale && matches(request.headers['if-none-match'], tag);
  const body = hasIt ? undefined : await answer.body();
  reply.header('etag', tag).header('cache-control', 'private, no-cache');
  if (!isFinal(snapshot.state)) reply.header('retry-after', '1');
  return hasIt ? reply.code(304).send() : reply.send(body);
}

/** RFC 9110, section 13.1.2: a list of entity tags, compared weakly, or `*`. */
function matches(header: string | undefined, tag: string): boolean {
  const given = (header ?? '').split(',').map((item) => item.trim().replace(/^W\//, ''));
  return given.includes(tag) || given.includes('*');
}
