import { fastify } from 'fastify';
import pg from 'pg';
import { announce } from '../fanout/peer.ts';
import { type Answer, givenAnswers } from './answer.ts';

/** What one would write first: a Fastify route that reads the task's row for each poll, and answers the same bytes. */

const { running, finished } = givenAnswers();
const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL, max: 10 });
const server = fastify();

server.get<{ Params: { programId: string; taskId: string } }>(
  '/v2/giftcards/programs/:programId/cards/bulk/:taskId',
  async (request, reply) => {
    const { rows } = await pool.query('select * from tasks where id = $1', [request.params.taskId]);
    const [row] = rows;
    if (row === undefined) return reply.code(404).send();
    const answer = row.state === 'SUCCEEDED' ? finished : running;
    for (const [name, value] of pairsOf(answer)) reply.header(name, value);
    return request.headers['if-none-match'] === undefined ? reply.send(answer.body) : reply.code(304).send();
  },
);

function* pairsOf({ headers }: Answer): Generator<[string, string]> {
  for (let at = 0; at < headers.length; at += 2) {
    const [name = '', value = ''] = headers.slice(at, at + 2);
    if (name !== 'content-length') yield [name, value];
  }
}

const url = new URL(await server.listen({ host: '127.0.0.1', port: 0 }));
announce(Number(url.port));
