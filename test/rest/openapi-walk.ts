import { answerOf, type Documented, document, documented, misfits, propertiesOf } from './openapi-document.ts';

/** What a request has besides its method. */
export interface Ask {
  /** Values of the parameters in the path, encoded as they are to be sent. */
  readonly path?: Readonly<Record<string, string>>;
  readonly query?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: NonNullable<RequestInit['body']>;
}

export interface Told {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  readonly body: unknown;
}

/** Asks servers and holds every answer against the document. */
export interface Walk {
  /** Throws when the answer is not as documented: its status, its media type, its headers, its body. */
  ask(url: string, operation: Documented, ask?: Ask): Promise<Told>;
  /** The same for an answer that came some other way. */
  check(operation: Documented, told: Told): void;
  /** `GET /healthz 200`, for every one that was answered. */
  readonly seen: ReadonlySet<string>;
  /** `Voucher.code`, for every property that was answered. */
  readonly properties: ReadonlySet<string>;
}

export function startWalk(): Walk {
  const seen = new Set<string>();
  const properties = new Set<string>();
  const check = (operation: Documented, told: Told) => {
    const { method, path } = operation;
    const { status, headers, text, body } = told;
    const fail = (problem: unknown) => {
      throw new Error(`${method} ${path} ${status}: ${JSON.stringify(problem)}\n${text.slice(0, 1_000)}`);
    };
    const answer = answerOf(operation, status);
    if (answer === undefined) return fail('this status is not documented');
    seen.add(`${method} ${path} ${status}`);
    if (/^\/v[12]\//.test(path) && !/^v-[0-9a-f]{18}$/.test(headers.get('x-request-id') ?? '')) fail('no x-request-id');
    if (method === 'HEAD') return text === '' ? undefined : fail('a body');
    const [type = ''] = (headers.get('content-type') ?? '').split(';');
    const content = answer.content?.[type];
    if (content === undefined) return text === '' ? undefined : fail(`${type} is not documented`);
    const values = type === 'text/event-stream' ? eventsOf(text) : [type.endsWith('json') ? body : text];
    const expected = type === 'text/event-stream' ? Object(content['x-event-data']) : content.schema;
    for (const value of values) {
      const wrong = misfits(expected, value);
      if (wrong.length > 0) fail(wrong);
      for (const name of propertiesOf(expected, '', { of: value })) properties.add(name);
    }
  };
  return {
    seen,
    properties,
    check,
    async ask(url, operation, ask = {}) {
      const told = await send(url, operation, ask);
      check(operation, told);
      return told;
    },
  };
}

async function send(url: string, { method, path }: Documented, ask: Ask): Promise<Told> {
  const at = path.replaceAll(/\{(\w+)\}/g, (_, name: string) => ask.path?.[name] ?? 'x');
  const query = new URLSearchParams(ask.query).toString();
  const response = await fetch(`${url}${at}${query && `?${query}`}`, {
    method,
    headers: { ...ask.headers },
    ...(ask.body !== undefined && { body: ask.body }),
  });
  const { status, headers } = response;
  const text = await response.text();
  const isJson = /^application\/(\w+\+)?json/.test(headers.get('content-type') ?? '') && text !== '';
  return { status, headers, text, body: isJson ? JSON.parse(text) : undefined };
}

function eventsOf(text: string): unknown[] {
  return [...text.matchAll(/^event: next\nid: \d+\ndata: (.+)$/gm)].map(([, data = '']) => JSON.parse(data));
}

/** The body of the document's example, as its media type has it. */
export function exampleBody(operation: Documented): Pick<Ask, 'headers' | 'body'> {
  const [[type, content] = []] = Object.entries(operation.requestBody?.content ?? {});
  if (type === undefined || content === undefined) return {};
  const fields = Object.entries(Object(content.example)) as [string, string][];
  switch (type) {
    case 'application/json':
      return { headers: { 'content-type': type }, body: JSON.stringify(content.example) };
    case 'multipart/form-data': {
      const form = new FormData();
      for (const [name, value] of fields)
        form.set(name, name === 'file' ? new Blob([value], { type: 'text/csv' }) : value);
      return { body: form };
    }
    default:
      return { body: new URLSearchParams(fields) };
  }
}

/** All that the document says of statuses: `GET /healthz 200`. */
export const promised: readonly string[] = Object.entries(document.paths).flatMap(([path, operations]) =>
  Object.entries(operations).flatMap(([method, { responses }]) =>
    Object.keys(responses).map((status) => `${method.toUpperCase()} ${path} ${status}`),
  ),
);

/** All that it says of the bodies of answers: `Voucher.code`. */
export const promisedProperties: readonly string[] = [
  ...new Set(
    documented.flatMap((operation) =>
      Object.keys(operation.responses).flatMap((status) => {
        const contents = Object.values(answerOf(operation, Number(status))?.content ?? {});
        return contents.flatMap(({ schema }) => propertiesOf(schema, ''));
      }),
    ),
  ),
].sort();

/** Bodies that use what the examples leave out, by their operations. */
export function richBodies(ids: {
  readonly product: string;
  readonly sku: string;
}): [operationId: string, body: object][] {
  const recurring = {
    start_date: '2026-01-01T00:00:00Z',
    validity_timeframe: { interval: 'P2D', duration: 'P1D' },
  };
  const campaign = {
    ...recurring,
    category: 'gifts',
    expiration_date: '2030-01-01T00:00:00Z',
    validity_day_of_week: [0, 6],
    validity_hours: { daily: [{ start_time: '08:00', expiration_time: '12:00', days_of_week: [1] }] },
    activity_duration_after_publishing: 'P30D',
    access_settings: { assignments: [] },
  };
  const address = { line_1: 'x', line_2: 'x', postal_code: 'x', city: 'x', state: 'x', country: 'x' };
  const units = [{ effect: 'ADD_NEW_ITEMS', unit_off: 1, unit_type: 'prod_1' }];
  const discounts = [
    { type: 'AMOUNT', amount_off: 5, aggregated_amount_limit: 50, effect: 'APPLY_TO_ITEMS' },
    { type: 'PERCENT', percent_off: 5, amount_limit: 50 },
    { type: 'FIXED', fixed_amount: 5 },
    { type: 'UNIT', unit_off: 1, unit_type: 'prod_1', effect: 'ADD_NEW_ITEMS' },
    { type: 'UNIT', effect: 'ADD_MANY_ITEMS', units },
  ];
  const ofDiscounts = discounts.flatMap((discount, index): [string, object][] => [
    ['create-campaign', { name: `Discount ${index}`, voucher: { type: 'DISCOUNT_VOUCHER', discount } }],
    ['vouchers.import', [{ code: `DISCOUNT-${index}`, discount, ...recurring }]],
  ]);
  const code_config = { prefix: 'A-', postfix: '-Z', length: 8, charset: 'ABCDEF', pattern: 'A-####-Z' };
  return [
    ...ofDiscounts,
    [
      'create-campaign',
      {
        name: 'Gifts',
        voucher: { type: 'GIFT_VOUCHER', gift: { amount: 100, effect: 'APPLY_TO_ORDER' }, code_config },
        ...campaign,
      },
    ],
    ['create-campaign', { name: 'Points', voucher: { type: 'LOYALTY_CARD', loyalty_card: { points: 5 } } }],
    ['vouchers.import', [{ code: 'GIFT', type: 'GIFT_VOUCHER', gift: { amount: 5 } }, { code: '' }]],
    ['vouchers.import', [{ code: 'CARD', type: 'LOYALTY_CARD', loyalty_card: { points: 5 } }]],
    ['vouchers.bulk_update', [{ code: '', metadata: { season: 1 } }]],
    ['create-customer', { source_id: 'crm-9', description: 'x', birthdate: '2000-12-31', address }],
    [
      'create-order',
      {
        source_id: 'order-9',
        items: [
          { source_id: 'item-1', product_id: ids.product, related_object: 'product', quantity: 1, price: 5 },
          { sku_id: ids.sku, quantity: 1, price: 5 },
        ],
        customer: { source_id: 'crm-1' },
        referrer: { source_id: 'crm-9' },
      },
    ],
  ];
}
