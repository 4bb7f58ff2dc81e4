import { pino } from 'pino';

/** JSON lines on stdout: a constant `event`, ids as fields. Never a card number, code, token or item content. */
export interface Log {
  debug(event: string, fields?: LogFields): void;
  info(event: string, fields?: LogFields): void;
  warn(event: string, fields?: LogFields): void;
  /** An `error` field is written with its message, code, stack and causes. */
  error(event: string, fields?: LogFields): void;
}
export type LogFields = Readonly<Record<string, unknown>>;
export const logLevels = ['debug', 'info', 'warn', 'error', 'silent'] as const;
export type LogLevel = (typeof logLevels)[number];

export function createLog(level: LogLevel): Log {
  const logger = pino({
    level,
    base: { pid: process.pid },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
    serializers: { error: describeError },
  });
  const at =
    (method: 'debug' | 'info' | 'warn' | 'error') =>
    (event: string, fields: LogFields = {}) =>
      logger[method]({ event, ...fields });
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}

/** What of an error may be logged: not its other properties, which can hold items (a database's `detail`) or credentials. */
function describeError(error: unknown): unknown {
  // The job queue tells copies of errors that are none themselves.
  if (typeof error !== 'object' || error === null || !('message' in error)) return String(error);
  const read = (key: string): unknown => Reflect.get(error, key);
  const cause = read('cause');
  const described = { name: read('name'), message: error.message, code: read('code'), stack: read('stack') };
  return cause === undefined ? described : { ...described, cause: describeError(cause) };
}
