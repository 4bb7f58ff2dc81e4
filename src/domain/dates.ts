const wireForm = /^(\d{4})-(\d{2})-(\d{2})(?:T(\d{2})(?::(\d{2})(?::(\d{2})(?:\.(\d{1,3}))?)?)?(Z|[+-]\d{2}:\d{2})?)?$/;
/** What Date reads as we do, but for days that its month does not have. */
const fullForm = /^\d{4}-\d{2}-\d{2}T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{3})?Z$/;

/** Reads a moment in the forms of the async-action contract, section 1.6 (`2026-01-31`, `…T12`, `…T12:30`, `…:00`, `…Z`,
 *  `….123Z`), UTC unless it says otherwise. Undefined when it is none of them, or no day of the calendar. */
export function readWireDate(text: string): Date | undefined {
  // Most dates of an import come by here, and most are that of the row before.
  if (text === latest.text) return new Date(latest.ms);
  const date = fullForm.test(text) ? readFullForm(text) : readAnyForm(text);
  if (date === undefined || !isTold(date)) return undefined;
  latest.text = text;
  latest.ms = date.getTime();
  return date;
}

/** A text and what it reads as. */
const latest = { text: '1970-01-01T00:00:00Z', ms: 0 };

function readFullForm(text: string): Date | undefined {
  const date = new Date(text);
  return date.getUTCDate() === Number(text.slice(8, 10)) ? date : undefined;
}

function readAnyForm(text: string): Date | undefined {
  const match = wireForm.exec(text.trim());
  if (match === null) return undefined;
  const [, year, month, day, hour = 0, minute = 0, second = 0, fraction = '', zone = 'Z'] = match;
  const offset = readOffset(zone);
  if (Number(hour) > 23 || Number(minute) > 59 || Number(second) > 59 || offset === undefined) return undefined;
  const date = new Date(0);
  // Not Date.UTC, which takes the year 26 for 1926.
  date.setUTCFullYear(Number(year), Number(month) - 1, Number(day));
  // Date moves 31 February to March instead of refusing it.
  if (date.getUTCDate() !== Number(day) || date.getUTCMonth() !== Number(month) - 1) return undefined;
  date.setUTCHours(Number(hour), Number(minute) - offset, Number(second), Number(fraction.padEnd(3, '0')));
  return date;
}

/** Whether its year has the four digits that dates are told with; an offset can take the last hours of 9999 beyond. */
function isTold(date: Date): boolean {
  const year = date.getUTCFullYear();
  return year >= 1 && year <= 9999;
}

/** Minutes ahead of UTC of `Z` or `+hh:mm`. */
function readOffset(zone: string): number | undefined {
  if (zone === 'Z') return 0;
  const hours = Number(zone.slice(1, 3));
  const minutes = Number(zone.slice(4));
  if (hours > 23 || minutes > 59) return undefined;
  return (zone.startsWith('-') ? -1 : 1) * (hours * 60 + minutes);
}
