import { z } from 'zod';
import { campaignChanges, campaignInput, campaignKinds } from '../../domain/campaign-input.ts';
import { addedVouchersBody } from '../../domain/campaign-voucher-input.ts';
import { campaignOrders } from '../../domain/campaigns.ts';
import { updateCampaignVouchers } from '../../operations/update-campaign-vouchers.ts';
import {
  answers,
  type JsonSchema,
  jsonBody,
  type Paths,
  type Printer,
  parameter,
  startHeaders,
} from '../openapi-parts.ts';
import { campaign, campaignList } from './campaign-shapes.ts';
import { pageParameters } from './paging.ts';
import { started, voucher } from './shapes.ts';

const inPath = parameter('path', 'campaignId', { type: 'string' }, 'Its id or name.');

interface Parts {
  readonly printer: Printer;
  readonly error: JsonSchema;
  readonly one: object;
  readonly refusals: Readonly<Record<number, object>>;
}

/** The paths of campaigns that no operation registers by itself. */
export function campaignPaths(printer: Printer, error: JsonSchema): Paths {
  const parts: Parts = {
    printer,
    error,
    one: answers('The campaign.', printer.answer('Campaign', campaign)),
    refusals: { 400: answers('The request is not valid.', error), 401: answers('Unauthorized.', error) },
  };
  return {
    '/v1/campaigns': { get: list(parts), post: create(parts) },
    '/v1/campaigns/{campaignId}': { get: read(parts), put: update(parts) },
    '/v1/campaigns/{campaignId}/vouchers': { post: add(parts) },
    '/v1/campaigns/{campaignId}/vouchers/{code}': { post: addCode(parts) },
  };
}

function list({ printer, refusals }: Parts): object {
  return {
    operationId: 'list-campaigns',
    summary: 'Campaigns, newest first.',
    parameters: [
      ...pageParameters,
      parameter('query', 'campaign_type', { enum: campaignKinds }, 'Only those of this type.'),
      parameter('query', 'order', { enum: campaignOrders, default: '-created_at' }, 'How they are sorted.'),
    ],
    responses: { 200: answers('A page.', printer.answer('CampaignList', campaignList)), ...refusals },
  };
}

function create({ printer, error, one, refusals }: Parts): object {
  return {
    operationId: 'create-campaign',
    summary: 'Creates a campaign. With more than one voucher a CAMPAIGN.VOUCHERS_GENERATE is started.',
    parameters: startHeaders,
    requestBody: jsonBody(printer.input(campaignInput), 'required'),
    responses: { 200: one, ...refusals, 409: answers('The name is taken.', error) },
  };
}

function read({ error, one, refusals }: Parts): object {
  return {
    operationId: 'get-campaign',
    summary: 'One campaign.',
    parameters: [inPath],
    responses: { 200: one, ...refusals, ...notFound(error) },
  };
}

function update({ printer, error, one, refusals }: Parts): object {
  return {
    operationId: 'update-campaign',
    summary: `${updateCampaignVouchers.mutation.description} Starts a CAMPAIGN.VOUCHERS_UPDATE.`,
    parameters: [inPath, ...startHeaders],
    requestBody: jsonBody(printer.input(z.object(campaignChanges)), 'optional'),
    responses: { 200: one, ...refusals, ...notFound(error) },
  };
}

function add({ printer, error, refusals }: Parts): object {
  const count = { type: 'integer', minimum: 1, default: 1 };
  return {
    operationId: 'add-vouchers-to-campaign',
    summary: 'Adds one voucher at once, or starts a CAMPAIGN.VOUCHERS_GENERATE for several.',
    parameters: [inPath, parameter('query', 'vouchers_count', count, 'How many.'), ...startHeaders],
    requestBody: jsonBody(printer.input(addedVouchersBody), 'optional'),
    responses: {
      200: answers('The one voucher.', printer.answer('Voucher', voucher)),
      202: answers('Started: CAMPAIGN.VOUCHERS_GENERATE.', printer.answer('Started', started)),
      ...refusals,
      ...notFound(error),
      409: answers('The code is taken.', error),
    },
  };
}

function addCode({ printer, error, refusals }: Parts): object {
  return {
    operationId: 'add-voucher-with-code-to-campaign',
    summary: 'Adds one voucher with this code.',
    parameters: [inPath, parameter('path', 'code', { type: 'string' }, 'Its code.')],
    requestBody: jsonBody(printer.input(addedVouchersBody), 'optional'),
    responses: {
      200: answers('The voucher.', printer.answer('Voucher', voucher)),
      ...refusals,
      ...notFound(error),
      409: answers('The code is taken.', error),
    },
  };
}

function notFound(error: JsonSchema): Readonly<Record<number, object>> {
  return { 404: answers('No such campaign.', error) };
}
