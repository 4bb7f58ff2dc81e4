import { createServer, type ServerResponse } from 'node:http';
import { listenAndAnnounce } from '../fanout/peer.ts';
import { givenAnswers, notModified } from './answer.ts';

/** The limit: bare node:http that answers the same bytes. One with `Prefer` is held until somebody asks for `/release`. */

const { running, finished } = givenAnswers();
const heads = new Map([running, finished].map((answer) => [answer, notModified(answer)]));
const held: ServerResponse[] = [];

const server = createServer((request, response) => {
  if (request.headers.prefer !== undefined) {
    held.push(response);
    return;
  }
  if (request.url === '/release') release();
  const answer = request.url === finished.path ? finished : running;
  if (request.headers['if-none-match'] !== undefined) {
    response.writeHead(304, [...(heads.get(answer) ?? [])]).end();
    return;
  }
  response.writeHead(200, [...answer.headers]).end(answer.body);
});

function release(): void {
  for (const response of held.splice(0)) response.writeHead(200, [...running.headers]).end(running.body);
}

listenAndAnnounce(server);
