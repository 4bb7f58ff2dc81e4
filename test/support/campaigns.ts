import type { Campaign } from '../../src/rest/async-action/campaign-shapes.ts';
import { type Answer, createClient } from '../rest/client.ts';
import { checkAsyncAction } from './contracts.ts';
import type { TestApp } from './gateway.ts';
import { waitFor } from './wait.ts';

/** A campaign of discount vouchers, in the least words that the contract allows. */
export const minimalVoucher = { type: 'DISCOUNT_VOUCHER', discount: { type: 'AMOUNT', amount_off: 1000 } };

/** What the tests of campaigns do over REST; campaigns are checked against the contract. */
export function campaignsOf(app: TestApp) {
  const { call, ended } = createClient(app);
  const path = (idOrName: string) => `/v1/campaigns/${encodeURIComponent(idOrName)}`;
  const checked = (answer: Answer<Campaign>): Campaign => {
    if (answer.status !== 200) throw new Error(`${answer.status} ${answer.text}`);
    checkAsyncAction('CampaignsGetResponseBody', answer.body);
    return answer.body;
  };
  const read = async (idOrName: string) => checked(await call<Campaign>('GET', path(idOrName)));
  return {
    path,
    read,
    async create(name: string, fields: object = {}): Promise<Campaign> {
      return checked(await call('POST', '/v1/campaigns', { body: { name, voucher: minimalVoucher, ...fields } }));
    },
    async update(idOrName: string, fields: object): Promise<Campaign> {
      return checked(await call('PUT', path(idOrName), { body: fields }));
    },
    /** The campaign once nothing runs on its vouchers. */
    async settled(idOrName: string): Promise<Campaign> {
      const isOver = async () => {
        const campaign = await read(idOrName);
        const isDone = campaign.creation_status === 'DONE' && campaign.vouchers_generation_status === 'DONE';
        return isDone ? campaign : undefined;
      };
      const campaign = await waitFor(isOver, { message: `${idOrName} settles`, timeoutMs: 20_000 });
      if (campaign === undefined) throw new Error('unreachable');
      return campaign;
    },
    /** The newest async action, once it has ended. */
    async lastAction() {
      const { body } = await call<{ async_actions: { id: string }[] }>('GET', '/v1/async-actions?limit=1');
      return ended(body.async_actions[0]?.id ?? 'none');
    },
    ended,
    call,
    /** A page of the campaign's vouchers. */
    async vouchers(campaignId: string, limit = 100): Promise<Record<string, unknown>[]> {
      const query = new URLSearchParams({ campaign_id: campaignId, limit: String(limit) });
      const { body } = await call<{ vouchers: Record<string, unknown>[] }>('GET', `/v1/vouchers?${query}`);
      return body.vouchers;
    },
  };
}

interface Payload {
  readonly task: { readonly id: string } | null;
  readonly userErrors: readonly { readonly field: readonly string[] | null; readonly code: string }[];
}

/** What a mutation answers, with its task or its user errors; `input` as its variable. */
export async function mutate(app: TestApp, name: string, input: object): Promise<Payload> {
  const type = `${name.charAt(0).toUpperCase()}${name.slice(1)}Input`;
  const query = `mutation ($input: ${type}!) { started: ${name}(input: $input) { task { id } userErrors { field code message } } }`;
  const { call } = createClient(app);
  const body = { query, variables: { input } };
  const answer = await call<{ data?: { started: Payload } }>('POST', '/graphql', { body });
  if (answer.body.data === undefined) throw new Error(answer.text);
  return answer.body.data.started;
}
