import { pipeline, type Readable, Transform } from 'node:stream';
import { CsvError, parse } from 'csv-parse';
import { badInput, type ClientError } from '../errors.ts';

export interface Csv {
  readonly header: readonly string[];
  /** The data rows as they arrive; each as many cells as the file has there. Throws as `readCsv` does. */
  readonly rows: AsyncIterable<readonly string[]>;
}

const maxColumns = 500;

/**
 * Reads RFC 4180 with a header line, UTF-8 with or without a byte order mark, while it arrives; empty lines are skipped.
 * Throws BAD_USER_INPUT for an empty file, broken quoting, another encoding, or a line longer than `maxLineBytes`.
 */
export async function readCsv(stream: Readable, options: { readonly maxLineBytes: number }): Promise<Csv> {
  const parser = parse({
    bom: true,
    record_delimiter: ['\r\n', '\n', '\r'],
    relax_column_count: true,
    skip_empty_lines: true,
    max_record_size: options.maxLineBytes,
  });
  // What goes wrong anywhere in the pipeline is thrown by the iteration below.
  pipeline(stream, checkUtf8(), parser, () => {});
  const records: AsyncIterator<string[]> = parser[Symbol.asyncIterator]();
  const first = await nextRecord(records);
  if (first === undefined) throw invalid('the file is empty: the first line must name the columns');
  const header = first.map((name) => name.trim());
  if (header.length > maxColumns) throw invalid(`the file has more than ${maxColumns} columns`);
  return { header, rows: restOf(records) };
}

async function* restOf(records: AsyncIterator<string[]>): AsyncGenerator<readonly string[]> {
  try {
    for (let record = await nextRecord(records); record !== undefined; record = await nextRecord(records)) yield record;
  } finally {
    await records.return?.();
  }
}

async function nextRecord(records: AsyncIterator<string[]>): Promise<string[] | undefined> {
  try {
    const { value, done } = await records.next();
    return done ? undefined : value;
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    const where = typeof error.lines === 'number' ? `line ${error.lines}: ` : '';
    throw invalid(`${where}${describe(error)}`);
  }
}

function describe(error: CsvError): string {
  switch (error.code) {
    case 'CSV_QUOTE_NOT_CLOSED':
      return 'a quote is opened and never closed';
    case 'CSV_INVALID_CLOSING_QUOTE':
    case 'INVALID_OPENING_QUOTE':
      return 'a quote stands where none may';
    case 'CSV_MAX_RECORD_SIZE':
      return 'the line is too long';
    default:
      return 'the line is not RFC 4180 CSV';
  }
}

/** Passes bytes on and fails at the first that is not UTF-8. */
function checkUtf8(): Transform {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  const check = (bytes: Buffer | undefined, done: (error: Error | null, bytes?: Buffer) => void) => {
    try {
      decoder.decode(bytes, { stream: bytes !== undefined });
    } catch {
      return done(invalid('the file is not UTF-8'));
    }
    done(null, bytes);
  };
  return new Transform({
    transform: (bytes: Buffer, _encoding, done) => check(bytes, done),
    flush: (done) => check(undefined, done),
  });
}

function invalid(message: string): ClientError {
  return badInput(['file'], 'INVALID_CSV', `The CSV file cannot be read: ${message}`);
}
