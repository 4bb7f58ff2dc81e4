import { Readable } from 'node:stream';
import { stringify } from 'csv-stringify/sync';
import type { FastifyInstance } from 'fastify';
import type { GatewayDeps } from '../../deps.ts';
import { type CardDetails, cardsCsvPath, findProgram, streamCards } from '../../domain/gift-cards.ts';
import { ClientError } from '../../errors.ts';
import { findIssuance } from './find-issuance.ts';

/** The contract's columns, in its order. */
const columns = [
  'id',
  'cardNumber',
  'lastFourDigits',
  'balance',
  'currency',
  'expiresAt',
  'customerEmail',
  'customerName',
] as const;

interface Link {
  readonly Params: { readonly programId: string; readonly taskId: string };
  readonly Querystring: { readonly expires?: unknown; readonly signature?: unknown };
}

/** The download of a task's cards, for whoever holds a signed link that has not expired. */
export function registerCardsCsv(server: FastifyInstance, deps: GatewayDeps): void {
  const url = cardsCsvPath(':programId', ':taskId').replace(/^\/v2/, '');
  server.route<Link>({
    method: ['GET', 'HEAD'],
    url,
    config: { isPublic: true },
    handler: async (request, reply) => {
      const { programId, taskId } = request.params;
      if (!deps.links.isValid(cardsCsvPath(programId, taskId), request.query)) {
        throw new ClientError('FORBIDDEN', 'The link is not valid or has expired; poll the task for a new one');
      }
      const program = await findProgram(deps.db, programId);
      const task = program && (await findIssuance(deps.db, program.projectId, programId, taskId));
      if (task === undefined) throw new ClientError('NOT_FOUND', 'Task not found');
      reply.type('text/csv; charset=utf-8');
      reply.header('content-disposition', `attachment; filename="gift-cards-${taskId}.csv"`);
      reply.header('cache-control', 'private, no-store').header('x-content-type-options', 'nosniff');
      if (request.method === 'HEAD') return reply.send();
      // A client that reads nothing any more is not kept.
      reply.raw.setTimeout(deps.config.BULKCAST_UPLOAD_STALL_MS, () => {
        deps.log.info('download.stalled', { request: request.id, task: taskId });
        reply.raw.destroy();
      });
      const csv = Readable.from(toCsv(streamCards(deps.db, taskId, request.signal)), { highWaterMark: 1 });
      csv.once('error', (error) => deps.log.error('download.failed', { request: request.id, task: taskId, error }));
      return reply.send(csv);
    },
  });
}

async function* toCsv(batches: AsyncIterable<readonly CardDetails[]>): AsyncGenerator<string> {
  yield toLines([columns]);
  for await (const batch of batches) yield toLines(batch.map(toCells));
}

/** RFC 4180; a cell that a spreadsheet would take for a formula begins with an apostrophe. */
function toLines(rows: readonly (readonly (string | null)[])[]): string {
  return stringify([...rows], { record_delimiter: 'windows', escape_formulas: true });
}

function toCells(card: CardDetails): (string | null)[] {
  return columns.map((column) => {
    const value = card[column];
    return value instanceof Date ? value.toISOString() : value;
  });
}
