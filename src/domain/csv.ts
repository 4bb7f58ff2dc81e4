import { finished, pipeline, type Readable, Transform } from 'node:stream';
import { CsvError, type Parser, parse } from 'csv-parse';
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
  const rows = recordsOf(parser);
  const first = await rows.next();
  if (first.done) throw invalid('the file is empty: the first line must name the columns');
  const header = first.value.map((name) => name.trim());
  if (header.length > maxColumns) throw invalid(`the file has more than ${maxColumns} columns`);
  return { header, rows };
}

/** What has been parsed, as it is asked for: the parser's own iterator with one around it takes three turns for each record, and the
 *  worker waits for the last. */
async function* recordsOf(parser: Parser): AsyncGenerator<readonly string[]> {
  let wake = () => {};
  let end: { readonly error: unknown } | undefined;
  parser.on('readable', () => wake());
  const forget = finished(parser, { writable: false }, (error) => {
    end = { error };
    wake();
  });
  try {
    for (;;) {
      const record: string[] | null = parser.read();
      if (record !== null) yield record;
      else if (end === undefined) await new Promise<void>((resolve) => (wake = resolve));
      else if (end.error == null) return;
      else throw toRefusal(end.error);
    }
  } finally {
    forget();
    parser.destroy();
  }
}

function toRefusal(error: unknown): unknown {
  if (!(error instanceof CsvError)) return error;
  const where = typeof error.lines === 'number' ? `line ${error.lines}: ` : '';
  return invalid(`${where}${describe(error)}`);
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
