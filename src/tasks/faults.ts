import { toClientError } from '../errors.ts';

/** Whose fault it is that a chunk was rolled back. */
export type Fault =
  /** Of a value in it: it will fail whenever it is tried. */
  | 'ITEM'
  /** Of the database or the way to it: it will pass. */
  | 'OUTAGE'
  /** Of an item, if others succeed beside it; else of the code or the database, and it may never pass. */
  | 'UNKNOWN';

/** SQLSTATE classes and codes: data exceptions and integrity violations. */
const itemStates = /^(22|23)/;
/** Connections, resources, shutdowns, files; serialization failures and deadlocks; locks, timeouts; a server that takes no writes. */
const outageStates = /^(08|53|57P|58|40001|40P01|55P03|57014|25P0|25006)/;
const sqlState = /^[0-9A-Z]{5}$/;

/** Tells it from what was thrown. */
export function faultOf(error: unknown): Fault {
  const code = codeOf(error);
  if (code !== undefined && sqlState.test(code)) {
    if (outageStates.test(code)) return 'OUTAGE';
    return itemStates.test(code) ? 'ITEM' : 'UNKNOWN';
  }
  if (toClientError(error)?.code === 'UNAVAILABLE') return 'OUTAGE';
  return error instanceof RangeError || error instanceof TypeError ? 'ITEM' : 'UNKNOWN';
}

/** What of an error may be kept in logs and jobs: what kind it is and where it was thrown. Its message can hold values of items. */
export class RedactedError extends Error {
  readonly code: string | undefined;

  constructor(error: unknown) {
    const name = error instanceof Error ? error.name : typeof error;
    const constraint = error instanceof Error && 'constraint' in error ? error.constraint : undefined;
    const code = codeOf(error);
    super([name, code, constraint].filter((part) => part !== undefined).join(' '));
    this.name = name;
    this.code = code;
    const frames = error instanceof Error ? (error.stack?.match(/^ +at .*$/gm) ?? []) : [];
    this.stack = [this.message, ...frames].join('\n');
  }
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}
