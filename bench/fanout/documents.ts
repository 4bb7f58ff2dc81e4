/** The fields that a document selects, nested as it selects them. */
export interface Selection {
  readonly [field: string]: true | Selection;
}

/** What the README's example of a subscription asks for, and a progress bar needs. */
const everyday: Selection = {
  id: true,
  state: true,
  version: true,
  progress: true,
  counts: { total: true, processed: true, succeeded: true, failed: true },
};

const optional: readonly Selection[] = [
  { ratePerSecond: true },
  { updatedAt: true },
  { id: true, state: true },
  { progress: true, counts: { total: true, processed: true } },
  { createdAt: true, startedAt: true, completedAt: true },
];

/** So many different documents, all with `version`; one alone is the everyday one. At most 31. */
export function chooseSelections(count: number): Selection[] {
  if (count === 1) return [everyday];
  const most = 2 ** optional.length - 1;
  return Array.from({ length: count }, (_, index) => {
    const chosen = optional.filter((_, bit) => (((most - index) >> bit) & 1) === 1);
    return Object.assign({ version: true }, ...chosen);
  });
}

/** A subscription to one task, `$id`. */
export function toDocument(selection: Selection): string {
  return `subscription ($id: ID!) { bulkTask(id: $id) { ... on TaskProgress ${print(selection)} } }`;
}

function print(selection: Selection): string {
  const fields = Object.entries(selection).map(([name, inner]) => (inner === true ? name : `${name} ${print(inner)}`));
  return `{ ${fields.join(' ')} }`;
}

/** What the document answers, picked out by hand. */
export function pick(value: object, selection: Selection): Record<string, unknown> {
  const picked: Record<string, unknown> = {};
  for (const [name, inner] of Object.entries(selection)) {
    const field: unknown = Reflect.get(value, name);
    picked[name] = inner !== true && typeof field === 'object' && field !== null ? pick(field, inner) : field;
  }
  return picked;
}
