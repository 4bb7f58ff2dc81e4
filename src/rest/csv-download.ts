import { Readable } from 'node:stream';
import { stringify } from 'csv-stringify/sync';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { GatewayDeps } from '../deps.ts';

type Row = readonly (string | null)[];

/** Streams rows as a CSV file: RFC 4180, header first; a cell that a spreadsheet would take for a formula begins with an
 *  apostrophe. A client that reads nothing any more is cut off. */
export function sendCsv(
  request: FastifyRequest,
  reply: FastifyReply,
  deps: Pick<GatewayDeps, 'config' | 'log'>,
  file: { readonly name: string; readonly columns: readonly string[]; readonly batches: AsyncIterable<readonly Row[]> },
): FastifyReply {
  reply.type('text/csv; charset=utf-8');
  reply.header('content-disposition', `attachment; filename="${file.name}"`);
  reply.header('cache-control', 'private, no-store').header('x-content-type-options', 'nosniff');
  if (request.method === 'HEAD') return reply.send();
  reply.raw.setTimeout(deps.config.BULKCAST_UPLOAD_STALL_MS, () => {
    deps.log.info('download.stalled', { request: request.id });
    reply.raw.destroy();
  });
  const csv = Readable.from(toLines(file.columns, file.batches), { highWaterMark: 1 });
  csv.once('error', (error) => deps.log.error('download.failed', { request: request.id, error }));
  return reply.send(csv);
}

async function* toLines(columns: readonly string[], batches: AsyncIterable<readonly Row[]>): AsyncGenerator<string> {
  yield format([columns]);
  for await (const batch of batches) yield format(batch);
}

function format(rows: readonly Row[]): string {
  return stringify(
    rows.map((row) => [...row]),
    { record_delimiter: 'windows', escape_formulas: true },
  );
}
