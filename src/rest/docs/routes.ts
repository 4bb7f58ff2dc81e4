import { hash } from 'node:crypto';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { matchesTag } from '../entity-tags.ts';
import { describeRest } from '../openapi.ts';
import { renderDocs } from './page.ts';
import { style } from './style.ts';

/** Nothing is loaded, run or sent anywhere, and no page of others may frame it. */
const policy = [
  "default-src 'none'",
  `style-src 'sha256-${hash('sha256', style, 'base64')}'`,
  'img-src data:',
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

interface Page {
  readonly type: string;
  readonly text: string;
  readonly tag: string;
}

/** `/openapi.json`: the description of the REST doors. `/docs`: the same for people. Both are for everybody, and may be kept. */
export function registerDocs(server: FastifyInstance): void {
  let pages: { readonly json: Page; readonly html: Page } | undefined;
  // Made when somebody asks.
  const read = () => {
    if (pages !== undefined) return pages;
    const document = describeRest();
    const json = toPage('application/json; charset=utf-8', JSON.stringify(document));
    pages = { json, html: toPage('text/html; charset=utf-8', renderDocs(document)) };
    return pages;
  };
  server.get('/openapi.json', async (request, reply) => {
    // Viewers on other sites may show it.
    return send(request, reply.header('access-control-allow-origin', '*'), read().json);
  });
  server.get('/docs', async (request, reply) => {
    reply.header('content-security-policy', policy).header('referrer-policy', 'no-referrer');
    return send(request, reply, read().html);
  });
}

function toPage(type: string, text: string): Page {
  return { type, text, tag: `"${hash('sha256', text, 'base64url').slice(0, 22)}"` };
}

function send(request: FastifyRequest, reply: FastifyReply, { type, text, tag }: Page): FastifyReply {
  reply.header('etag', tag).header('cache-control', 'public, max-age=300').header('x-content-type-options', 'nosniff');
  if (matchesTag(request.headers['if-none-match'], tag)) return reply.code(304).send();
  return reply.type(type).send(text);
}
