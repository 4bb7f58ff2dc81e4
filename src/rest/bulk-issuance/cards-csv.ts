import type { FastifyInstance } from 'fastify';
import type { GatewayDeps } from '../../deps.ts';
import { type CardDetails, cardsCsvPath, findProgram, streamCards } from '../../domain/gift-cards.ts';
import { ClientError } from '../../errors.ts';
import { sendCsv } from '../csv-download.ts';
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
      const task = program && (await findIssuance(deps.polled, program.projectId, programId, taskId));
      if (task === undefined) throw new ClientError('NOT_FOUND', 'Task not found');
      return sendCsv(request, reply, deps, {
        name: `gift-cards-${taskId}.csv`,
        columns,
        batches: toRows(streamCards(deps.db, taskId, request.signal)),
      });
    },
  });
}

async function* toRows(batches: AsyncIterable<readonly CardDetails[]>): AsyncGenerator<(string | null)[][]> {
  for await (const batch of batches) yield batch.map(toCells);
}

function toCells(card: CardDetails): (string | null)[] {
  return columns.map((column) => {
    const value = card[column];
    return value instanceof Date ? value.toISOString() : value;
  });
}
