import { z } from 'zod';
import { campaignChanges, campaignInput, campaignKinds } from '../../domain/campaign-input.ts';
import { addedVouchersBody } from '../../domain/campaign-voucher-input.ts';
import { campaignOrders } from '../../domain/campaigns.ts';
import { updateCampaignVouchers } from '../../operations/update-campaign-vouchers.ts';
import {
  type Answers,
  answers,
  jsonBody,
  type Operation,
  oneOf,
  type Paths,
  type Printer,
  parameter,
  startHeaders,
  text,
} from '../openapi-parts.ts';
import { campaign, campaignList } from './campaign-shapes.ts';
import { pageParameters } from './paging.ts';
import { error, started, voucher } from './shapes.ts';

const inPath = parameter('path', 'campaignId', text, 'Its id or name.');

interface Parts {
  readonly printer: Printer;
  readonly one: Answers;
  /** A name or code can only be used once. */
  readonly taken: Answers;
}

/** The paths of campaigns that no operation registers by itself. */
export function campaignPaths(printer: Printer): Paths {
  const parts: Parts = {
    printer,
    one: { 200: answers('The campaign.', printer.answer('Campaign', campaign)) },
    taken: {
      409: answers(
        'The name or code is taken, or the first request with this Idempotency-Key is still running.',
        printer.answer('Error', error),
      ),
    },
  };
  return {
    '/v1/campaigns': { get: list(parts), post: create(parts) },
    '/v1/campaigns/{campaignId}': { get: read(parts), put: update(parts) },
    '/v1/campaigns/{campaignId}/vouchers': { post: add(parts) },
    '/v1/campaigns/{campaignId}/vouchers/{code}': { post: addCode(parts) },
  };
}

function list({ printer }: Parts): Operation {
  return {
    operationId: 'list-campaigns',
    summary: 'Campaigns, newest first.',
    parameters: [
      ...pageParameters,
      parameter('query', 'campaign_type', oneOf(campaignKinds), 'Only those of this type.'),
      parameter('query', 'order', oneOf(campaignOrders, '-created_at'), 'How they are sorted.'),
    ],
    responses: { 200: answers('A page.', printer.answer('CampaignList', campaignList)) },
  };
}

function create({ printer, one, taken }: Parts): Operation {
  return {
    operationId: 'create-campaign',
    summary: 'Creates a campaign. With more than one voucher a CAMPAIGN.VOUCHERS_GENERATE is started.',
    parameters: startHeaders,
    requestBody: jsonBody(printer.input(campaignInput), 'required'),
    responses: { ...one, ...taken },
  };
}

function read({ one }: Parts): Operation {
  return {
    operationId: 'get-campaign',
    summary: 'One campaign.',
    parameters: [inPath],
    responses: one,
  };
}

function update({ printer, one }: Parts): Operation {
  return {
    operationId: 'update-campaign',
    summary: `${updateCampaignVouchers.mutation.description} Starts a CAMPAIGN.VOUCHERS_UPDATE.`,
    parameters: [inPath, ...startHeaders],
    requestBody: jsonBody(printer.input(z.object(campaignChanges)), 'optional'),
    responses: one,
  };
}

function add({ printer, taken }: Parts): Operation {
  const count = { type: 'integer', minimum: 1, default: 1 } as const;
  return {
    operationId: 'add-vouchers-to-campaign',
    summary: 'Adds one voucher at once, or starts a CAMPAIGN.VOUCHERS_GENERATE for several.',
    parameters: [inPath, parameter('query', 'vouchers_count', count, 'How many.'), ...startHeaders],
    requestBody: jsonBody(printer.input(addedVouchersBody), 'optional'),
    responses: {
      200: answers('The one voucher.', printer.answer('Voucher', voucher)),
      202: answers('Started: CAMPAIGN.VOUCHERS_GENERATE.', printer.answer('Started', started)),
      ...taken,
    },
  };
}

function addCode({ printer, taken }: Parts): Operation {
  return {
    operationId: 'add-voucher-with-code-to-campaign',
    summary: 'Adds one voucher with this code.',
    parameters: [inPath, parameter('path', 'code', text, 'Its code.')],
    requestBody: jsonBody(printer.input(addedVouchersBody), 'optional'),
    responses: {
      200: answers('The voucher.', printer.answer('Voucher', voucher)),
      ...taken,
    },
  };
}
