const wireForm = /^(\d{4})-(\d{2})-(\d{2})(?:T(\d{2})(?::(\d{2})(?::(\d{2})(?:\.(\d{1,3}))?)?)?(Z|[+-]\d{2}:\d{2})?)?$/;

/** Reads a moment in the forms of the async-action contract, section 1.6 (`2026-01-31`, `…T12`, `…T12:30`, `…:00`, `…Z`,
 *  `….123Z`), UTC unless it says otherwise. Undefined when it is none of them, or no day of the calendar. */
export function readWireDate(text: string): Date | undefined {
  const match = wireForm.exec(text.trim());
  if (match === null) return undefined;
  const [, year = '', month = '', day = '', hour = '00', minute = '00', second = '00', fraction = '0', zone = 'Z'] =
    match;
  const instant = `${year}-${month}-${day}T${hour}:${minute}:${second}.${fraction.padEnd(3, '0')}`;
  const asUtc = new Date(`${instant}Z`);
  // Date moves 31 February to March instead of refusing it.
  if (Number.isNaN(asUtc.getTime()) || asUtc.getUTCDate() !== Number(day)) return undefined;
  const date = new Date(`${instant}${zone}`);
  return Number.isNaN(date.getTime()) ? undefined : date;
}
