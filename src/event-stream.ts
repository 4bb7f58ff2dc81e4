import type { ServerResponse } from 'node:http';
import type { FastifyReply } from 'fastify';
import { openLifetimes, type StreamLimits } from './lifetimes.ts';
import type { Log } from './log.ts';
import { type Outlet, type Outlets, openOutlets } from './progress/outlet.ts';
import { startRounds } from './rounds.ts';

/** One answer of server-sent events. */
export interface EventStream extends Outlet {
  readonly response: ServerResponse;
  endedMs: number | undefined;
}

/** The server-sent events of a gateway. */
export interface EventStreams extends Omit<Outlets<EventStream>, 'stop'> {
  /** Takes the answer from Fastify and sends its head. `closed` is called once it is closed, whoever does it. */
  open(reply: FastifyReply, closed: () => void): EventStream;
  /** Ends the answer with a last event. May be called twice. */
  end(stream: EventStream, event: Buffer): void;
  /** Cuts all of them off over a while, completing none: a client takes the end of a stream for the end of what it watches. Each
   *  is told first when to come back, within `retryMs`. */
  stop(): Promise<void>;
}

const heartbeatMs = 12_000;
const cutMs = 1_000;
/** A comment, without an id: nobody resumes after it. The first one is for clients that wait for a byte of the body. */
const heartbeat = Buffer.from(':\n\n');
const head = {
  'content-type': 'text/event-stream',
  'cache-control': 'no-cache, no-transform',
  'x-accel-buffering': 'no',
};

/** Those who are sent away come back spread over this time. */
const retryMs = 5_000;

export function openEventStreams(log: Log, { slowReaderMs, maxAgeMs, drainMs }: StreamLimits): EventStreams {
  const giveUp = ({ response }: EventStream) => {
    log.info('event_stream.too_slow', { request: response.getHeader('x-request-id') });
    response.destroy();
  };
  const outlets = openOutlets<EventStream>({ slowReaderMs, giveUp });
  const lifetimes = openLifetimes<EventStream>({ maxAgeMs, drainMs, close: sendAway });
  const rounds = startRounds<EventStream>(heartbeatMs, (stream) => {
    if (stream.endedMs === undefined && stream.blockedMs === undefined) outlets.write(stream, heartbeat);
    if (stream.endedMs !== undefined && performance.now() - stream.endedMs > slowReaderMs) giveUp(stream);
  });
  return {
    ...outlets,
    open: (reply, closed) => {
      const stream = takeReply(reply);
      const { response } = stream;
      if (response.closed) {
        closed();
        return stream;
      }
      lifetimes.add(stream);
      rounds.add(stream);
      response.once('close', () => {
        lifetimes.delete(stream);
        rounds.delete(stream);
        outlets.forget(stream);
        closed();
      });
      response.writeHead(200, headersOf(reply));
      response.write(heartbeat);
      return stream;
    },
    end: (stream, event) => {
      if (stream.endedMs === undefined) stream.response.end(event);
      stream.endedMs ??= performance.now();
    },
    stop: async () => {
      await lifetimes.drain();
      rounds.stop();
      outlets.stop();
    },
  };
}

/** Not ended, which would be the end of what is watched. One that reads nothing is not waited for. */
function sendAway({ response }: EventStream): void {
  const cut = setTimeout(() => response.destroy(), cutMs);
  response.once('close', () => clearTimeout(cut));
  response.write(`retry: ${Math.ceil(Math.random() * retryMs)}\n\n`, () => response.destroy());
}

function takeReply(reply: FastifyReply): EventStream {
  const response = reply.headers(head).hijack().raw;
  return { response, stream: response, blockedMs: undefined, waiting: undefined, endedMs: undefined };
}

function headersOf(reply: FastifyReply): Record<string, string | number | string[]> {
  const headers: Record<string, string | number | string[]> = {};
  for (const [name, value] of Object.entries(reply.getHeaders())) {
    if (value !== undefined) headers[name] = value;
  }
  return headers;
}
