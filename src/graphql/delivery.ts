import type { ExecutionResult } from 'graphql';
import { type Asked, presentResult } from './errors.ts';

/** The result of one event, as all who share it are sent it. */
export interface Delivery {
  /** Where a stream can be resumed after it; null when it cannot. */
  readonly version: number | null;
  readonly content: Content;
  /** The frame last made, to be copied for ids as long as that one's. */
  frame: { readonly bytes: Buffer; readonly idLength: number } | undefined;
  event: Buffer | undefined;
}

/** A result with errors is not shared: each subscriber's errors name its own request. */
type Content = { readonly json: Buffer } | { readonly result: ExecutionResult };

export function createDelivery(result: ExecutionResult, version: number | null): Delivery {
  const content = result.errors === undefined ? { json: Buffer.from(JSON.stringify(result)) } : { result };
  return { version, content, frame: undefined, event: undefined };
}

const beforeId = '{"id":';
const afterId = ',"type":"next","payload":';

/** An operation's id as `frameOf` takes it: JSON in UTF-8, one character for each byte. */
export function encodeId(id: string): string {
  return Buffer.from(JSON.stringify(id)).toString('latin1');
}

/** A WebSocket text frame with the `next` message of graphql-transport-ws, unmasked and whole. */
export function frameOf(delivery: Delivery, id: string, asked: Asked): Buffer {
  const { content } = delivery;
  if ('result' in content) return createFrame(id, presentJson(content.result, asked));
  if (delivery.frame?.idLength !== id.length) {
    delivery.frame = { bytes: createFrame(id, content.json), idLength: id.length };
  }
  const { bytes } = delivery.frame;
  const frame = Buffer.allocUnsafe(bytes.length);
  frame.set(bytes);
  frame.write(id, headerLength(bytes.length) + beforeId.length, 'latin1');
  return frame;
}

/** A server-sent event `next` of graphql-sse; a version is its id. */
export function eventOf(delivery: Delivery, asked: Asked): Buffer {
  const { content, version } = delivery;
  if ('result' in content) return createEvent(version, presentJson(content.result, asked));
  delivery.event ??= createEvent(version, content.json);
  return delivery.event;
}

/** The same where one stream carries many operations. */
export function operationEventOf({ content }: Delivery, id: string, asked: Asked): Buffer {
  const json = 'result' in content ? presentJson(content.result, asked) : content.json;
  const start = `event: next\ndata: {"id":${JSON.stringify(id)},"payload":`;
  return Buffer.concat([Buffer.from(start), json, Buffer.from('}\n\n')]);
}

/** The event `complete` of one operation among many. */
export function completeEventOf(id: string): Buffer {
  return Buffer.from(`event: complete\ndata: ${JSON.stringify({ id })}\n\n`);
}

function presentJson(result: ExecutionResult, asked: Asked): Buffer {
  return Buffer.from(JSON.stringify(presentResult(result, asked, 'websocket')));
}

function createEvent(version: number | null, json: Buffer): Buffer {
  const id = version === null ? '' : `id: ${version}\n`;
  return Buffer.concat([Buffer.from(`${id}event: next\ndata: `), json, Buffer.from('\n\n')]);
}

const finalText = 0x81;

/** RFC 6455, section 5.2. */
function createFrame(id: string, json: Buffer): Buffer {
  const length = beforeId.length + id.length + afterId.length + json.length + 1;
  const header = Buffer.alloc(length < 126 ? 2 : length < 65_536 ? 4 : 10);
  header[0] = finalText;
  if (header.length === 2) header[1] = length;
  if (header.length === 4) header.writeUInt16BE(length, 2);
  if (header.length === 10) header.writeUIntBE(length, 4, 6);
  if (header.length > 2) header[1] = header.length === 4 ? 126 : 127;
  return Buffer.concat([header, Buffer.from(`${beforeId}${id}${afterId}`, 'latin1'), json, Buffer.from('}')]);
}

function headerLength(frameLength: number): number {
  if (frameLength < 2 + 126) return 2;
  return frameLength < 4 + 65_536 ? 4 : 10;
}
