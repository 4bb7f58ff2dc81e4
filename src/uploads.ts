import type { IncomingMessage } from 'node:http';
import { PassThrough, Readable } from 'node:stream';
import { Busboy, type BusboyHeaders, type BusboyInstance } from '@fastify/busboy';
import { badInput, ClientError } from './errors.ts';
import { discardBody } from './request-body.ts';
import type { Upload } from './tasks/operation.ts';

/** Reads multipart forms that carry at most one file, never more than a few buffers of it in memory. */
export interface UploadReader {
  /**
   * Reads up to where the file begins, or to the end when there is none. Throws UNSUPPORTED_MEDIA_TYPE, BAD_USER_INPUT,
   * PAYLOAD_TOO_LARGE, REQUEST_TIMEOUT, or TOO_MANY_UPLOADS before it has read anything.
   */
  read(request: IncomingMessage, limits: { readonly maxBytes: number }): Promise<UploadForm>;
}

/** A form whose file is still arriving. Dispose of it when the answer is known: that frees its place and what was not read. */
export interface UploadForm extends Disposable {
  /** The text fields that came before the file; without one, all of them. */
  readonly fields: ReadonlyMap<string, string>;
  /** A part with a file name, one of type application/octet-stream, or one named `file`. */
  readonly file: FormFile | null;
  /** All text fields, at the end of the body; rejects as the file's stream does. Somebody has to read the file. */
  allFields(): Promise<ReadonlyMap<string, string>>;
}

/**
 * The stream ends only when the whole form has come and was in order, so whoever has read it to its end has all of it. It
 * errs with a ClientError when the file or the form is too large, stalls, breaks off or holds a second file.
 */
export interface FormFile extends Upload {
  readonly field: string;
}

const maxFieldBytes = 1_048_576;
const maxFields = 20;
const maxHeaderBytes = 16_384;
/** What has to come within the time of a stall: a sender that trickles would hold one of a few places for ever. */
const minBytes = 16_384;
/** What a form may weigh besides its file. */
const maxFormBytes = 2 * maxFieldBytes;

export function createUploadReader(options: { readonly maxUploads: number; readonly stallMs: number }): UploadReader {
  let open = 0;
  return {
    async read(request, { maxBytes }) {
      try {
        checkRequest(request, maxBytes);
        if (open >= options.maxUploads) {
          throw new ClientError('TOO_MANY_UPLOADS', 'Other uploads are still arriving; try again in a moment');
        }
        const parser = openParser(request.headers, maxBytes);
        open += 1;
        const free = () => {
          open -= 1;
        };
        return await receiveForm(request, parser, { maxBytes, stallMs: options.stallMs, free });
      } catch (error) {
        discardBody(request);
        throw error;
      }
    },
  };
}

function checkRequest(request: IncomingMessage, maxBytes: number): void {
  const { 'content-type': type = '', 'content-length': length } = request.headers;
  if (!/^multipart\/form-data\s*(;|$)/i.test(type)) {
    throw new ClientError('UNSUPPORTED_MEDIA_TYPE', `Expected multipart/form-data, got ${type || 'no content type'}`);
  }
  if (request.destroyed) throw brokenOff();
  if (Number(length ?? 0) > maxBytes + maxFormBytes) throw tooLarge(maxBytes);
}

interface Begun {
  readonly file: FormFile | null;
  readonly before: ReadonlyMap<string, string>;
}

/** What has come of a form so far. */
interface Arrival {
  readonly fields: Map<string, string>;
  readonly content: PassThrough;
  readonly begun: PromiseWithResolvers<Begun>;
  readonly ended: PromiseWithResolvers<void>;
  /** Ends the arrival, well or with an error; only the first call counts. */
  settle(error?: Error): void;
}

async function receiveForm(
  request: IncomingMessage,
  parser: BusboyInstance,
  options: { readonly maxBytes: number; readonly stallMs: number; readonly free: () => void },
): Promise<UploadForm> {
  const arrival = openArrival(() => {
    stopFeeding();
    options.free();
  });
  collect(parser, arrival, options.maxBytes);
  const stopFeeding = feed(request, parser, arrival, options);
  const { file, before } = await arrival.begun.promise;
  return {
    fields: before,
    file,
    allFields: () => arrival.ended.promise.then(() => arrival.fields),
    [Symbol.dispose]: () => {
      arrival.settle(brokenOff());
      discardBody(request);
    },
  };
}

function openArrival(onSettled: () => void): Arrival {
  const fields = new Map<string, string>();
  const content = new PassThrough();
  const begun = Promise.withResolvers<Begun>();
  const ended = Promise.withResolvers<void>();
  // Whoever waits for one of the three hears of an error there; where nobody waits, it concerns nobody.
  for (const promise of [begun.promise, ended.promise]) promise.catch(() => undefined);
  content.on('error', () => undefined);
  let isSettled = false;
  const settle = (error?: Error) => {
    if (isSettled) return;
    isSettled = true;
    onSettled();
    if (error === undefined) {
      content.end();
      begun.resolve({ file: null, before: fields });
      ended.resolve();
    } else {
      content.destroy(error);
      begun.reject(error);
      ended.reject(error);
    }
  };
  return { fields, content, begun, ended, settle };
}

function collect(parser: BusboyInstance, { fields, content, begun, settle }: Arrival, maxBytes: number): void {
  const refuse = (code: string, message: string) => settle(badInput([], code, message));
  parser.on('field', (name, value, _nameTruncated, isTruncated) => {
    if (isTruncated) settle(new ClientError('PAYLOAD_TOO_LARGE', `A text field takes at most ${maxFieldBytes} bytes`));
    else fields.set(name, value);
  });
  parser.on('file', (field, part, filename: string | undefined) => {
    part.on('limit', () => settle(tooLarge(maxBytes)));
    part.on('error', () => settle(brokenOff()));
    part.pipe(content, { end: false });
    const file = { field, filename: filename ?? null, stream: readLater(content) };
    begun.resolve({ file, before: new Map(fields) });
  });
  parser.on('filesLimit', () => refuse('TOO_MANY_FILES', 'Expected one file, got more'));
  parser.on('fieldsLimit', () => refuse('TOO_MANY_FIELDS', `Expected at most ${maxFields} text fields, got more`));
  parser.on('error', () => settle(brokenOff()));
  parser.on('finish', () => settle());
}

/** What `source` holds, and its error, once somebody reads: an error that came earlier would meet nobody who listens. */
function readLater(source: Readable): Readable {
  async function* contents(): AsyncGenerator<Buffer> {
    yield* source;
  }
  return Readable.from(contents(), { objectMode: false }).on('error', () => undefined);
}

/** Writes the body into the parser as fast as the file is read. Returns what ends that. */
function feed(
  request: IncomingMessage,
  parser: BusboyInstance,
  { settle }: Arrival,
  { maxBytes, stallMs }: { readonly maxBytes: number; readonly stallMs: number },
): () => void {
  let bytes = 0;
  let refreshedAt = 0;
  const stalled = () =>
    settle(new ClientError('REQUEST_TIMEOUT', `Less than ${minBytes} bytes of the upload came in ${stallMs} ms`));
  let timer = setTimeout(stalled, stallMs);
  const take = (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > maxBytes + maxFormBytes) return settle(tooLarge(maxBytes));
    if (parser.write(chunk)) {
      if (bytes - refreshedAt < minBytes) return undefined;
      refreshedAt = bytes;
      return timer.refresh();
    }
    // A wait that the reader of the file causes is not the sender's stall.
    clearTimeout(timer);
    return request.pause();
  };
  const goOn = () => {
    timer = setTimeout(stalled, stallMs);
    request.resume();
  };
  const end = () => {
    clearTimeout(timer);
    parser.end();
  };
  const breakOff = () => settle(brokenOff());
  const onClose = () => request.readableEnded || breakOff();
  request.on('data', take).on('end', end).on('error', breakOff).on('close', onClose);
  parser.on('drain', goOn);
  return () => {
    clearTimeout(timer);
    parser.off('drain', goOn);
    request.off('data', take).off('end', end).off('close', onClose).pause();
  };
}

function openParser(headers: IncomingMessage['headers'], maxBytes: number): BusboyInstance {
  const { 'content-type': type = '' } = headers;
  const withType: BusboyHeaders = { ...headers, 'content-type': type };
  try {
    return new Busboy({
      headers: withType,
      limits: {
        fieldSize: maxFieldBytes,
        fields: maxFields,
        files: 1,
        fileSize: maxBytes,
        headerPairs: 20,
        headerSize: maxHeaderBytes,
      },
      isPartAFile: (field, contentType, filename) =>
        filename !== undefined || contentType === 'application/octet-stream' || field === 'file',
    });
  } catch (cause) {
    throw new ClientError('BAD_USER_INPUT', 'Expected a boundary in the content type multipart/form-data', { cause });
  }
}

function tooLarge(maxBytes: number): ClientError {
  return new ClientError('PAYLOAD_TOO_LARGE', `A file takes at most ${maxBytes} bytes`);
}

function brokenOff(): ClientError {
  return badInput([], 'UPLOAD_BROKEN_OFF', 'The multipart form breaks off before its closing boundary');
}
